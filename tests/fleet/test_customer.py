"""A customer says what it may, and then leaks, hijacks and asks to drop; the rest of the world hears of the first."""

from __future__ import annotations

import json

import pytest
from scenario import failed_states, replace_in

HOST, ROUTER = "edge1.ams1", "transit-eu"
ROUTING = "traffic/routing.sls"
OWN, LAST = "31.13.0.0/20", "31.13.16.0/24"
FORGED, LEAKED, FOREIGN = "31.13.17.0/24", "31.13.18.0/24", "8.8.8.0/24"
VICTIM, STRANGER = "31.13.0.7/32", "8.8.8.8/32"
UPLINK = 'addresses: [198.51.100.5/31, "2001:db8:ff:3::2/64"]'
INTERFACE = """
          customer:
            device: eth1
            addresses: [198.51.100.8/31, "2001:db8:ff:5::1/64"]"""
LEARNED = """\
    sets: {customer: {prefixes: ["31.13.0.0/16{16,24}"]}}
    rpki: {caches: {near: {match: {host: edge1.ams1}, address: 203.0.113.3, port: 3323, retry: 1}}}
    neighbors:
      ams1-customer:
        match: {host: edge1.ams1}
        address: 198.51.100.9
        asn: 64700
        role: customer
        hold_time: 9
        import: {prefixes: customer, blackhole: {}}
        export: {learned: provider}
"""


def with_customer(pillar):
    """Amsterdam has a customer, whose routes its upstream is told; an RPKI cache says whose they are."""
    replace_in(pillar / "traffic/fleet.sls", UPLINK, UPLINK + INTERFACE)
    replace_in(pillar / ROUTING, "    neighbors:\n", LEARNED)
    replace_in(
        pillar / ROUTING, "        hold_time: 30\n", "        hold_time: 30\n        export: {learned: customer}\n"
    )


def applied(fleet):
    """A highstate of the customer's edge that succeeds."""
    assert failed_states(fleet.highstate(HOST)[HOST]) == {}


@pytest.fixture(scope="module")
def customer(fleet):
    """A function that lets the customer announce; afterwards there is none."""
    fleet.run("customer", "systemctl", "start", "lab-gobgp")

    def say(prefix, *attributes):
        fleet.run("customer", "gobgp", "global", "rib", "add", prefix, *attributes)

    with fleet.changed_policy(with_customer):
        applied(fleet)
        yield say
    fleet.run("customer", "systemctl", "stop", "lab-gobgp")
    applied(fleet)


def known(fleet):
    """Which of the scenario's prefixes the edge has learned."""
    told = fleet.run(HOST, "birdc", "show", "route", "table", "master4", "where", 'proto = "peer_ams1_customer"')
    return {word for line in told.splitlines() for word in line.split()[:1] if "/" in word}


def heard(fleet, prefix):
    """The AS path over which the upstream router knows a prefix, if it does."""
    told = json.loads(fleet.run(ROUTER, "vtysh", "-c", f"show bgp ipv4 unicast {prefix} json") or "{}")
    return [path["aspath"]["string"] for path in told.get("paths", ()) if told.get("prefix") == prefix]


def test_its_own_goes_to_the_upstream_and_nothing_wrong_goes_anywhere(fleet, customer):
    customer(OWN)
    fleet.until(lambda: heard(fleet, OWN) == ["64500 64700"], timeout=40)
    customer(LEAKED, "aspath", "1299")
    customer(FOREIGN)
    customer(FORGED)
    customer(LAST)
    fleet.until(lambda: heard(fleet, LAST) == ["64500 64700"])
    assert known(fleet) == {OWN, LAST}
    assert [heard(fleet, prefix) for prefix in (LEAKED, FOREIGN, FORGED)] == [[], [], []]


def test_traffic_is_dropped_to_its_own_host_and_nobody_is_told(fleet, customer):
    def dropped():
        return fleet.run(HOST, "ip", "route", "show", "type", "blackhole").split()

    customer(VICTIM, "community", "65535:666")
    customer(STRANGER, "community", "65535:666")
    fleet.until(lambda: VICTIM.removesuffix("/32") in dropped())
    fleet.run("customer", "gobgp", "global", "rib", "del", LAST)
    fleet.until(lambda: LAST not in known(fleet))
    assert known(fleet) == {OWN, VICTIM}
    assert STRANGER.removesuffix("/32") not in dropped()
    assert heard(fleet, VICTIM) == []


def test_without_its_cache_the_edge_keeps_what_it_was_told(fleet, customer):
    fleet.run("client", "systemctl", "stop", "lab-rtr")
    try:
        customer(LAST)
        fleet.until(lambda: heard(fleet, LAST) == ["64500 64700"])
        assert FORGED not in known(fleet)
    finally:
        fleet.run("client", "systemctl", "start", "lab-rtr")
