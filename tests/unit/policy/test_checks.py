"""What only the whole policy can know: whether its parts fit each other."""

import pytest
from example import GONE, check, errors

NEIGHBOR = "routing/neighbors/lhr1-v4"
RULES = "filtering/rules"
CLASSES = "shaping/0/classes"


def rule(**fields):
    return {"name": "new", "match": {"role": "edge"}, "interface": "uplink", "action": "drop", **fields}


MISFITS = [
    # (changes, path reported, words that the report must hold)
    ([("fleet/hosts/edge1.lhr1/pop", "lhr2")], "traffic.fleet.hosts[edge1.lhr1].pop", "no such PoP 'lhr1'"),
    ([("fleet/hosts/edge2.lhr1/router_id", "10.0.0.1")], "traffic.fleet.hosts[edge2.lhr1].router_id", "edge1.lhr1"),
    (
        [("fleet/hosts/edge2.lhr1/interfaces/uplink/addresses/0", "198.51.100.3/31")],
        "traffic.fleet.hosts[edge2.lhr1].interfaces.uplink.addresses[0]",
        "already edge1.lhr1",
    ),
    (
        [("fleet/hosts/edge1.lhr1/interfaces/second", {"device": "eth0"})],
        "traffic.fleet.hosts[edge1.lhr1].interfaces.second.device",
        "device interface 'uplink'",
    ),
    ([("fleet/regions/us/pops/lhr1", {})], "traffic.fleet.regions.us.pops.lhr1", "region 'eu'"),
    # Selectors
    ([(f"{NEIGHBOR}/match", {"pop": "lhr2"})], "traffic.routing.neighbors.lhr1-v4.match.pop", "no such PoP 'lhr1'"),
    ([(f"{NEIGHBOR}/match", {"region": "ue"})], "traffic.routing.neighbors.lhr1-v4.match.region", "region"),
    ([(f"{NEIGHBOR}/match", {"role": "egde"})], "traffic.routing.neighbors.lhr1-v4.match.role", "'edge'"),
    ([(f"{NEIGHBOR}/match", {"class": "gen13"})], "traffic.routing.neighbors.lhr1-v4.match.class", "'gen12'"),
    ([(f"{NEIGHBOR}/match", {"host": "edge1.lhr"})], "traffic.routing.neighbors.lhr1-v4.match.host", "'edge1.lhr1'"),
    ([(f"{NEIGHBOR}/match", {"host": "core*"})], "traffic.routing.neighbors.lhr1-v4.match.host", "no host"),
    (
        [(f"{NEIGHBOR}/match", {"pop": "ams1", "region": "us"})],
        "traffic.routing.neighbors.lhr1-v4.match",
        "no host matches",
    ),
    ([(f"{RULES}/0/interface", "uplnk")], "traffic.filtering.rules[0].interface", "'uplink' 3 more"),
    ([("shaping/0/interface", "downlink")], "traffic.shaping[0].interface", "interface"),
    # Sessions
    ([(f"{NEIGHBOR}/address", "198.51.100.200")], "traffic.routing.neighbors.lhr1-v4.address", "no network"),
    ([(f"{NEIGHBOR}/address", "198.51.100.3")], "traffic.routing.neighbors.lhr1-v4.address", "own address"),
    (
        [("fleet/hosts/edge1.lhr1/interfaces/uplink/addresses", ["198.51.100.3/31"])],
        "traffic.routing.neighbors.lhr1-v6.address",
        "no IPv6 address",
    ),
    ([(f"{NEIGHBOR}/asn", 64500)], "traffic.routing.neighbors.lhr1-v4.asn", "ibgp"),
    ([(f"{NEIGHBOR}/role", "ibgp")], "traffic.routing.neighbors.lhr1-v4.asn", "64500"),
    (
        [(f"{NEIGHBOR}/hold_time", 30), (f"{NEIGHBOR}/keepalive", 30)],
        "traffic.routing.neighbors.lhr1-v4.keepalive",
        "hold time",
    ),
    (
        [("routing/neighbors/twin", {"match": "all", "address": "198.51.100.2", "asn": 64601, "role": "provider"})],
        "traffic.routing.neighbors.twin.address",
        "already 'lhr1-v4'",
    ),
    (
        [
            (
                "routing/neighbors/lhr1.v4",
                {"match": {"host": "edge1.lhr1"}, "address": "2001:db8:1::9", "asn": 64601, "role": "provider"},
            )
        ],
        "traffic.routing.neighbors[lhr1.v4]",
        "peer_lhr1_v4",
    ),
    # Services and announcements
    ([("routing/announcements/0/service", "wbe")], "traffic.routing.announcements[0].service", "'web'"),
    ([("routing/announcements/0/to", {"neighbor": "lhr2-v4"})], "traffic.routing.announcements[0].to.neighbor", "lhr1"),
    (
        [("routing/announcements/0/to", {"role": "customer"})],
        "traffic.routing.announcements[0].to",
        "reaches no neighbor",
    ),
    ([("routing/announcements/0/match", "all")], "traffic.routing.announcements[0].to", "edge1.iad1 1 more"),
    (
        [("routing/announcements/1", {"service": "web", "match": {"pop": "ams1"}, "to": "all", "prepend": 1})],
        "traffic.routing.announcements[1]",
        "announcements[0] too",
    ),
    ([("routing/services/web/min_pops", 3)], "traffic.routing.services.web.min_pops", "IPv4 2 of at least 3"),
    ([("routing/services/web/min_pops", 2)], "traffic.routing.services.web.min_pops", "IPv6 1 of at least 2"),
    ([("routing/neighbors/lhr1-v6", GONE)], "traffic.routing.services.web.min_pops", "0 of IPv6 session"),
    ([("routing/announcements", [])], "traffic.routing.services.web", "no announcement names this service"),
    (
        [("routing/services/dns", {"prefixes": "192.0.2.128/25"})],
        "traffic.routing.services.dns.prefixes",
        "overlaps 192.0.2.0/24 'web'",
    ),
    (
        [("routing/services/web/prefixes", ["192.0.2.0/24", "192.0.2.0/24"])],
        "traffic.routing.services.web.prefixes",
        "twice",
    ),
    # Rules
    ([(f"{RULES}/0/source", "bogon")], "traffic.filtering.rules[0].source", "'bogons'"),
    ([(f"{RULES}/1/name", "bogons")], "traffic.filtering.rules[1].name", "rules[0]"),
    ([("filtering/sets/web", {"prefixes": "10.0.0.0/8"})], "traffic.filtering.sets.web", "service"),
    (
        [(f"{RULES}/2", rule(source="10.0.0.0/8", destination="2001:db8::/32"))],
        "traffic.filtering.rules[2]",
        "IPv4 IPv6 no packet is both",
    ),
    ([(f"{RULES}/2", rule(protocol="icmpv6", source="bogons"))], "traffic.filtering.rules[2].protocol", "IPv6 only"),
    (
        [(f"{RULES}/2", rule(protocol="icmp", source="2001:db8::/32"))],
        "traffic.filtering.rules[2].protocol",
        "IPv4 only",
    ),
    ([(f"{RULES}/2", rule(source_port=53))], "traffic.filtering.rules[2].source_port", "protocol: tcp"),
    ([(f"{RULES}/2", rule(protocol="gre", source_port=53))], "traffic.filtering.rules[2].source_port", "gre no ports"),
    ([(f"{RULES}/2", rule(protocol="tcp"))], "traffic.filtering.rules[2]", "'new' would drop BGP"),
    ([(f"{RULES}/2", rule(protocol="icmpv6"))], "traffic.filtering.rules[2]", "neighbour discovery"),
    ([(f"{RULES}/2", rule())], "traffic.filtering.rules[2]", "'new' would drop"),
    ([(f"{RULES}/2", rule(source="198.51.100.2/31"))], "traffic.filtering.rules[2]", "BGP from 198.51.100.2"),
    # Shaping
    ([(f"{CLASSES}/web/guarantee", "90%")], "traffic.shaping[0].classes", "105% at most 100mbit"),
    ([(f"{CLASSES}/web/ceiling", "50mbit")], "traffic.shaping[0].classes.web.ceiling", "below the guarantee"),
    ([(f"{CLASSES}/web/ceiling", "1gbit")], "traffic.shaping[0].classes.web.ceiling", "more than the interface has"),
    ([("shaping/0/rate", "20kbit")], "traffic.shaping[0].classes.control.guarantee", "too little"),
    ([(f"{CLASSES}/bulk/default", False)], "traffic.shaping[0].classes", "no class is the default"),
    ([(f"{CLASSES}/web/default", True)], "traffic.shaping[0].classes.bulk.default", "'web' default class already"),
    ([(f"{CLASSES}/web/match", [])], "traffic.shaping[0].classes.web", "nothing ever goes"),
    ([(f"{CLASSES}/web/match", [{"source": "wbe"}])], "traffic.shaping[0].classes.web.match[0].source", "'web'"),
    ([(f"{CLASSES}/web/match", [{"port": 80}])], "traffic.shaping[0].classes.web.match[0].port", "protocol: tcp"),
    (
        [(f"{CLASSES}/web/match", [{"protocol": "tcp", "port": 80, "source_port": 80}])],
        "traffic.shaping[0].classes.web.match[0].port",
        "either side",
    ),
    (
        [(f"{CLASSES}/web/match", [{"protocol": "tcp", "port": number} for number in range(32)])],
        "traffic.shaping[0].classes",
        "66 entries 64",
    ),
]


@pytest.mark.parametrize(("changes", "where", "words"), MISFITS)
def test_a_misfit_is_named(changes, where, words):
    found = errors(*changes)
    assert where in found, found
    for word in words.split():
        assert word in found[where]


def test_two_trees_for_one_interface():
    tree = {"match": {"pop": "lhr1"}, "interface": "uplink", "rate": "1gbit"}
    tree["classes"] = {"only": {"priority": 0, "guarantee": "50%", "default": True}}
    assert "already shapes 'uplink' of edge1.lhr1" in errors(("shaping/1", tree))["traffic.shaping[1]"]


def test_sixty_four_rules_fit_and_sixty_five_do_not():
    rules = [rule(name=f"rule{number}", source=f"10.{number}.0.0/16") for number in range(65)]
    assert errors(("filtering/rules", rules[:64])) == {}
    assert "65 rules" in errors(("filtering/rules", rules))["traffic.filtering.rules"]


def test_an_earlier_allow_makes_a_wide_drop_harmless():
    spared = [
        rule(name="bgp-out", protocol="tcp", source_port=179, action="allow"),
        rule(name="bgp-in", protocol="tcp", destination_port=179, action="allow"),
        rule(name="rest", protocol="tcp"),
    ]
    assert errors(("filtering/rules", spared)) == {}


def test_an_ibgp_neighbor_may_be_further_away():
    neighbor = {"match": {"pop": "iad1"}, "address": "10.9.9.9", "asn": 64500, "role": "ibgp"}
    assert errors(("routing/neighbors/core", neighbor)) == {}


def test_a_policy_without_routing_filtering_and_shaping_is_good():
    assert check(("routing", GONE), ("filtering", GONE), ("shaping", GONE)).policy is not None


def test_a_missing_entry_is_not_blamed_for_what_a_broken_one_would_explain():
    found = errors(("fleet/hosts/edge1.ams1/router_id", "x"))
    assert list(found) == ["traffic.fleet.hosts[edge1.ams1].router_id"]


def test_a_misspelt_key_does_not_hide_what_else_is_wrong_with_its_entry():
    host = {
        "pop": "lhr9",
        "role": "edge",
        "clas": "gen12",
        "router_id": "10.0.0.77",
        "interfaces": {"up": {"device": "eth0"}},
    }
    found = errors(("fleet/hosts/edge9.lhr1", host))
    assert {"traffic.fleet.hosts[edge9.lhr1].clas", "traffic.fleet.hosts[edge9.lhr1].pop"} <= set(found)


def test_a_value_that_does_not_fit_does_not_hide_a_name_that_does_not_exist():
    host = {
        "pop": "lhr9",
        "role": "edge",
        "class": "gen12",
        "router_id": "x",
        "interfaces": {"uplink": {"device": "eth0"}},
    }
    rule = {"name": "r", "match": {"pop": "ams9"}, "interface": "uplink", "source": ["bogus"], "action": "explode"}
    found = errors(("fleet/hosts/edge9.lhr1", host), ("filtering/rules/0", rule))
    assert {
        "traffic.fleet.hosts[edge9.lhr1].router_id",
        "traffic.fleet.hosts[edge9.lhr1].pop",
        "traffic.filtering.rules[0].action",
        "traffic.filtering.rules[0].source",
        "traffic.filtering.rules[0].match.pop",
    } <= set(found)
