"""What routes really do: an edge between two providers, a peer and a customer, who send what they should and more.

Who hears what is asked of their own BIRDs, not of the configuration's text.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass

import pytest

from tidegate.bird import compile as bird
from tidegate.bird import live
from tidegate.host.errors import Refused
from tidegate.policy.model import Policy

from .conftest import until

SERVICE = "198.41.0.0/24"
OWN, OWN_SHUTDOWN, OWN_LOW = "31.13.0.0/20", "31.13.16.0/24", "31.13.17.0/24"
DROPPED, DROPPED_FOREIGN, DROPPED_WIDE = "31.13.0.7/32", "8.8.8.8/32", "31.13.18.0/24"
FOREIGN, LONG, LEAKED, LOOPED = "8.8.8.0/24", "31.13.1.0/25", "31.13.19.0/24", "31.13.20.0/24"
ASKED = "31.13.21.0/24"
"""Which the customer asks not to be told to the peer, and to be the longer way to the providers."""
TRANSIT, TRANSIT_PRIVATE, BOGON, WIDE = "17.0.0.0/16", "17.1.0.0/16", "10.1.0.0/16", "16.0.0.0/6"
PEERED, PEER_LEAKS = "23.0.0.0/16", "23.1.0.0/16"

ASNS = {"transit": 64601, "upstream": 64602, "peer": 64700, "customer": 64702}
SENDS = {
    "transit": {TRANSIT: "", TRANSIT_PRIVATE: "bgp_path.prepend(65000);", BOGON: "", WIDE: "", "0.0.0.0/0": ""},
    "upstream": {"18.0.0.0/16": "bgp_large_community.add((64500, 1, 3));"},
    "peer": {PEERED: "", PEER_LEAKS: "bgp_path.prepend(3356);"},
    "customer": {
        OWN: "",
        OWN_SHUTDOWN: "bgp_community.add((65535, 0));",
        OWN_LOW: "bgp_community.add((64500, 80));",
        DROPPED: "bgp_community.add((65535, 666));",
        DROPPED_FOREIGN: "bgp_community.add((65535, 666));",
        DROPPED_WIDE: "bgp_community.add((65535, 666));",
        FOREIGN: "",
        LONG: "",
        LEAKED: "bgp_path.prepend(1299);",
        LOOPED: "bgp_otc = 64601;",
        ASKED: "bgp_community.add((64500, 3001)); bgp_community.add((64500, 3002));",
    },
}
KEPT = {OWN, OWN_SHUTDOWN, OWN_LOW}
"""The customer's routes that are as they should be."""


def routing():
    """The policy: everything by its role's defaults, but for what a customer needs."""
    by_role = {
        "transit": {"role": "provider", "export": {"learned": "customer"}},
        "upstream": {"role": "provider", "export": {"learned": "customer"}},
        "peer": {"role": "peer", "export": {"learned": "customer"}},
        "customer": {
            "role": "customer",
            "export": {"learned": ["provider", "peer", "customer"]},
            "import": {
                "prefixes": "customer",
                "local_pref": 200,
                "blackhole": {},
                "by_community": [{"community": "64500:80", "local_pref": 80}],
            },
        },
    }
    return {
        "asn": 64500,
        "services": {"web": {"prefixes": [SERVICE]}},
        "sets": {"customer": {"prefixes": ["31.13.0.0/16{16,24}"]}},
        "neighbors": {
            name: {"match": "all", "address": f"10.9.{link}.1", "asn": ASNS[name], "hold_time": 9, **rest}
            for link, (name, rest) in enumerate(by_role.items())
        },
        "actions": [
            {"community": "64500:3001", "to": {"neighbor": "peer"}, "refuse": True},
            {"community": "64500:3002", "to": {"role": "provider"}, "prepend": 2, "no_export": True},
        ],
        "announcements": [{"service": "web", "match": "all", "to": {"role": ["provider", "peer"]}}],
    }


def policy():
    interfaces = {name: {"device": name, "addresses": [f"10.9.{link}.0/31"]} for link, name in enumerate(ASNS)}
    host = {"pop": "lhr1", "role": "edge", "class": "gen12", "router_id": "10.0.0.1", "interfaces": interfaces}
    fleet = {"regions": {"eu": {"pops": {"lhr1": {}}}}, "hosts": {"edge": host}}
    return Policy.model_validate({"fleet": fleet, "routing": routing()})


def speaker(name, link):
    """A neighbor's configuration: it sends its routes and keeps what it hears."""
    routes = "\n".join(f"  route {prefix} blackhole {{ {words} }};" for prefix, words in SENDS[name].items())
    return f"""
router id 10.9.{link}.1;
protocol device {{}}
protocol static sent {{ ipv4; {routes} }}
protocol bgp edge
{{
  local 10.9.{link}.1 as {ASNS[name]}; neighbor 10.9.{link}.0 as 64500;
  connect delay time 1; connect retry time 1; error wait time 1, 1; hold time 9;
  ipv4 {{ import all; export where proto = "sent"; }};
}}
"""


@dataclass
class World:
    """The edge and its neighbors' BIRDs by name."""

    edge: object
    neighbors: dict

    def hears(self, name):
        """What the edge told a neighbor."""
        return set(self.neighbors[name].prefixes("protocol edge"))

    def knows(self):
        return set(self.edge.bird.prefixes("table master4"))


@pytest.fixture
def world(edge, wire, namespace, make_daemon):
    neighbors = {}
    for link, name in enumerate(ASNS):
        there = namespace()
        wire.host.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", there.name)
        for end, device, number in ((wire.host, name, 0), (there, "eth0", 1)):
            end.run("ip", "address", "add", f"10.9.{link}.{number}/31", "dev", device)
            end.run("ip", "link", "set", device, "up")
        neighbors[name] = make_daemon(name, there, speaker(name, link))
    edge.section = bird.compile_section(policy(), "edge")
    live.apply(edge.generation(), 60)
    for name in ASNS:
        until(lambda name=name: edge.established(f"peer_{name}"), f"session to {name}")
    world = World(edge, neighbors)
    until(lambda: {TRANSIT, PEERED, DROPPED, "18.0.0.0/16"} | KEPT <= world.knows(), "routes learned")
    for uphill in ("transit", "upstream", "peer"):
        until(lambda uphill=uphill: world.hears(uphill) >= {SERVICE} | KEPT, f"{uphill} hears of the customer")
    until(lambda: world.hears("customer") >= {TRANSIT, PEERED}, "the customer hears of all")
    return world


def test_the_effective_route_set(world, wire):
    """One start of all the daemons, then everything there is to see."""
    learned = world.knows()
    # In: what is right, and nothing else.
    assert learned == {SERVICE, ASKED, TRANSIT, "0.0.0.0/0", PEERED, DROPPED, "18.0.0.0/16"} | KEPT
    # Out: nothing of providers and peers to providers and peers, whatever marks it came with.
    for uphill in ("transit", "upstream", "peer"):
        assert world.hears(uphill) == {SERVICE} | KEPT | (set() if uphill == "peer" else {ASKED}), uphill
    assert world.hears("customer") == {TRANSIT, "0.0.0.0/0", PEERED, "18.0.0.0/16"}
    # What a customer asks for by communities.
    assert "bgp_path: 64500 64500 64500 64702" in world.neighbors["transit"].route(ASKED)
    assert "(65535,65281)" in world.neighbors["transit"].route(ASKED)
    # Attributes: marks are ours alone, and preferences follow communities.
    assert "(64500, 1," not in world.neighbors["peer"].route(OWN)
    assert "bgp_local_pref: 200" in world.edge.bird.route(OWN)
    assert "bgp_local_pref: 0" in world.edge.bird.route(OWN_SHUTDOWN)
    assert "bgp_local_pref: 80" in world.edge.bird.route(OWN_LOW)
    # Traffic to what a customer asks us to drop is dropped, and nobody else hears of it.
    assert "blackhole 31.13.0.7" in until(
        lambda: wire.host.run("ip", "route", "show", "type", "blackhole"), "a blackhole in the kernel"
    )
    assert "(65535,65281)" in world.edge.bird.route(DROPPED)


def test_a_plan_that_asks_for_a_leak_is_refused_before_bird_sees_it(world):
    def leak(section):
        section["neighbors"][-1]["learned"] = ["customer", "provider"]

    assert world.edge.section["neighbors"][-1]["role"] == "provider"
    with pytest.raises(Refused, match="never told of routes learned from provider"):
        world.edge.generation(leak)


def test_the_explicit_reject_holds_where_the_marks_do_not(world):
    """With a filter that takes all marks for a customer's, what came from uphill still goes to nobody uphill."""
    generation = world.edge.generation(lambda section: section.update(router_id="10.0.0.1"))
    conf = generation / "bird.conf"
    text = conf.read_text()
    broken = text.replace("~ [ (OWN_AS, 1, FROM_CUSTOMER) ]", "~ [ (OWN_AS, 1, *) ]")
    assert broken != text
    conf.write_text(re.sub(r'(TIDEGATE_MARKER = ")....', r"\g<1>0000", broken))
    document = json.loads((generation / "bird.json").read_text())
    document["marker"] = "0000" + document["marker"][4:]
    (generation / "bird.json").write_text(json.dumps(document))
    live.apply(generation, 60)
    time.sleep(1)
    assert "FROM_CUSTOMER) ]" not in (generation / "bird.conf").read_text()
    for uphill in ("transit", "upstream", "peer"):
        assert world.hears(uphill) == {SERVICE} | KEPT | (set() if uphill == "peer" else {ASKED}), uphill


@pytest.mark.parametrize(
    ("checks", "learned"),
    [
        ({"first_as": True, "next_hop": "neighbor"}, True),
        ({"next_hop": "link"}, True),
        ({"bogon_prefixes": True}, False),
        ({"length": [49, 64]}, False),
    ],
)
def test_the_checks_hold_for_ipv6_too(edge, neighbor, checks, learned):
    """IPv6 next hops travel in pairs, global and link-local: it is the global one that is held against the neighbor."""
    edge.section["policies"] = {"p": {"role": "provider", **checks}}
    edge.section["neighbors"][1] |= {"link": "2001:db8:1::/64"}
    edge.section["neighbors"][1]["import_"]["policy"] = "p"
    edge.confirmed(edge.generation())
    until(lambda: edge.bird.session("peer_transit").imported, "the other session's routes are learned")
    until(lambda: ("2001:db8:ffff::/48" in edge.bird.prefixes("table master6")) == learned, f"learned: {learned}")
    time.sleep(0 if learned else 1)
    assert ("2001:db8:ffff::/48" in edge.bird.prefixes("table master6")) == learned
