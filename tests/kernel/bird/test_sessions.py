"""Sessions of other shapes than one family on one link: seen from both ends, on every supported BIRD."""

from __future__ import annotations

import re

import pytest

from tidegate.bird import health, live

from .conftest import export, session, until

SERVICE4, SERVICE6 = "192.0.2.0/24", "2001:db8:100::/48"
ROUTE4, ROUTE6 = "31.13.0.0/16", "2a00:7::/32"
BOTH = """
router id {router};
protocol device {{}}
protocol static {{ ipv4; route {route4} blackhole; }}
protocol static {{ ipv6; route {route6} blackhole; }}
protocol bgp edge
{{
  local {local} as {asn}; neighbor {address} as 64500; {options}
  connect delay time 1; connect retry time 1; error wait time 1, 1;
  ipv4 {{ import all; export filter {{ {marks} accept; }}; {channel} }};
  ipv6 {{ import all; export filter {{ {marks} accept; }}; }};
}}
"""


def speaker(make_daemon, name, namespace, **changes):
    """A neighbor that speaks both families over one session."""
    plain = {
        "route4": ROUTE4,
        "route6": ROUTE6,
        "asn": 64601,
        "options": "",
        "router": "10.9.9.9",
        "marks": "",
        "channel": "",
    }
    return make_daemon(name, namespace, BOTH.format(**plain | changes))


def both(**changes):
    plain = {
        "address": "2001:db8:1::3",
        "local": "2001:db8:1::2",
        "family": "ipv6",
        "families": ["ipv6", "ipv4"],
        "export": [export(SERVICE6), export(SERVICE4)],
        "import_": {"accept": "all"},
    }
    return session("both", **plain | changes)


def run(edge, *neighbors):
    edge.section["neighbors"] = list(neighbors)
    generation = edge.generation()
    live.apply(generation, 60)
    live.confirm(generation)
    for neighbor in neighbors:
        until(lambda name=neighbor["protocol"]: edge.established(name), f"{neighbor['name']} is up")
    return generation


def local_of(wire, namespace):
    """A namespace's link-local address on eth0, once it is no longer tentative."""
    listing = until(
        lambda: (
            "tentative" not in (text := namespace.run("ip", "-6", "address", "show", "dev", "eth0", "scope", "link"))
            and text
        ),
        "a link-local address",
    )
    return re.search(r"inet6 (fe80\S+)/", listing)[1]


@pytest.mark.parametrize("link_local", [False, True])
def test_one_session_carries_both_families_and_ipv4_goes_by_ipv6(edge, make_daemon, wire, link_local):
    """RFC 4760 and RFC 8950: on a link without IPv4, by global addresses or by link-local ones."""
    ends = {"address": "2001:db8:1::2", "local": "2001:db8:1::3"}
    # Next hops are held against the neighbor in both families.
    edge.section["policies"] = {"p": {"role": "provider", "next_hop": "gateway" if link_local else "neighbor"}}
    planned = both(extended_next_hop=True, import_={"accept": "all", "policy": "p", "other_policy": "p"})
    if link_local:
        own, far = local_of(wire, wire.host), local_of(wire, wire.peer)
        ends = {"address": own, "local": far}
        planned |= {"address": far, "local": ""}
    for namespace, address in ((wire.host, "198.51.100.2/31"), (wire.peer, "198.51.100.3/31")):
        namespace.run("ip", "address", "del", address, "dev", "eth0")
    options = 'interface "eth0";' if link_local else ""
    far_end = speaker(make_daemon, "b", wire.peer, channel="extended next hop on;", options=options, **ends)
    generation = run(edge, planned)
    until(lambda: {SERVICE4, SERVICE6} <= set(far_end.prefixes("where source = RTS_BGP")), "both arrive")
    assert "bgp_next_hop: " + (ends["address"] if not link_local else "") in far_end.route(SERVICE4)
    until(lambda: {ROUTE4, ROUTE6} <= set(edge.bird.prefixes()), "both are learned")
    until(lambda: "inet6" in wire.host.run("ip", "route", "show", ROUTE4), "an IPv4 route by way of IPv6")
    wrong = until(lambda: not (bad := [c for c in health.checks(generation, {}) if c.status != "ok"]) or bad, "checks")
    assert wrong is True, wrong


def inside(name, **changes):
    return session(name, role="ibgp", asn=64500, import_={"accept": "all"}, learned=["customer"], **changes)


@pytest.mark.parametrize("reflected", [True, False])
def test_a_reflector_tells_its_clients_what_others_told_it_with_the_next_hop_as_it_was(
    edge, make_daemon, wire, namespace, reflected
):
    """RFC 4456; without it, what one of our routers says is never told to another."""
    far = namespace()
    wire.host.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth0", "netns", far.name)
    for end, device, number in ((wire.host, "eth1", 4), (far, "eth0", 5)):
        end.run("ip", "address", "add", f"198.51.100.{number}/31", "dev", device)
        end.run("ip", "link", "set", device, "up")
    marks = "bgp_large_community.add((64500, 1, 3));"
    speaker(make_daemon, "a", wire.peer, asn=64500, local="198.51.100.3", address="198.51.100.2", marks=marks)
    client = speaker(
        make_daemon,
        "c",
        far,
        asn=64500,
        local="198.51.100.5",
        address="198.51.100.4",
        route4="18.0.0.0/16",
        router="10.7.7.7",
    )
    first = inside("first") | ({"reflected": True} if reflected else {})
    second = inside("second", address="198.51.100.5", local="198.51.100.4", device="eth1")
    run(edge, first, second)
    until(lambda: ROUTE4 in edge.bird.prefixes(), "learned from the first")
    if reflected:
        until(lambda: ROUTE4 in client.prefixes(), "told to the second")
        assert "bgp_next_hop: 198.51.100.3" in client.route(ROUTE4)
    else:
        assert edge.bird.prefixes("export peer_second") == []


def test_a_router_further_away_teaches_routes_that_can_be_reached(edge, make_daemon, wire):
    """Its next hops are looked up among the host's own routes, and none of these hides a service."""
    for namespace, own, other, gateway in (
        (wire.host, "10.255.0.1", "10.255.0.2", "198.51.100.3"),
        (wire.peer, "10.255.0.2", "10.255.0.1", "198.51.100.2"),
    ):
        namespace.run("ip", "address", "add", f"{own}/32", "dev", "lo")
        namespace.run("ip", "route", "add", f"{other}/32", "via", gateway)
    wire.host.run("ip", "address", "add", "192.0.2.1/24", "dev", "lo")
    far = speaker(make_daemon, "f", wire.peer, asn=64500, local="10.255.0.2", address="10.255.0.1", options="multihop;")
    ends = {"address": "10.255.0.2", "local": "10.255.0.1", "device": None}
    run(edge, inside("far", export=[export(SERVICE4)], **ends))
    until(lambda: f"{ROUTE4} via 198.51.100.3" in wire.host.run("ip", "route"), "reached by the host's own route")
    until(lambda: SERVICE4 in far.prefixes(), "the service is announced, though its prefix is on an interface too")
    assert "10.255.0.0" not in "".join(edge.bird.prefixes("export peer_far"))


def test_all_paths_are_told_where_both_ends_want_them(edge, make_daemon, wire):
    """RFC 7911: the capability is agreed on, and the session says so."""
    speaker(make_daemon, "p", wire.peer, local="198.51.100.3", address="198.51.100.2", channel="add paths on;")
    run(edge, session("paths", add_paths="both"))
    shown = "\n".join(line.text for line in edge.bird.ask("show protocols all peer_paths").lines)
    assert len(re.findall(r"ADD-PATH", shown)) == 2, shown


def test_bfd_and_long_lived_restart_are_agreed_on(edge, make_daemon, wire):
    """RFC 5880 and RFC 9494: up by BFD's word too."""
    far = speaker(
        make_daemon,
        "l",
        wire.peer,
        local="198.51.100.3",
        address="198.51.100.2",
        options="bfd on; graceful restart on; long lived graceful restart on;",
    )
    assert far.answers()
    run(edge, session("slow", bfd={"interval": 100, "multiplier": 3}, graceful_restart="full", stale_time=60))
    until(lambda: "198.51.100.3" in _text(edge, "show bfd sessions"), "BFD knows the neighbor")
    assert "Long-lived graceful restart" in _text(edge, "show protocols all peer_slow")


def _text(edge, command):
    return "\n".join(line.text for line in edge.bird.ask(command).lines)
