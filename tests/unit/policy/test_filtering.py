"""Rules of every action and condition: what is said wrong, and what reaches the host's plan."""

import pytest
from example import check, errors

from tidegate.xdp.compile import compile_section

RULES = "filtering/rules"
THIRD = "traffic.filtering.rules[2]"


def rule(**fields):
    return {"name": "new", "match": {"role": "edge"}, "interface": "uplink", "action": "drop", **fields}


def compiled(**fields):
    loaded = check((f"{RULES}/2", rule(**fields)))
    assert loaded.policy is not None, loaded.problems
    return compile_section(loaded.policy, "edge1.lhr1")["rules"][2]


SYN, ACK = 2, 16
COMPILED = [
    ({"protocol": "tcp", "tcp_flags": "syn,!ack", "source": "192.0.2.8"}, {"tcp_flags": [[SYN, SYN | ACK]]}),
    (
        {"protocol": "tcp", "tcp_flags": ["none", "fin,psh,urg"], "source": "192.0.2.9"},
        {"tcp_flags": [[0, 255], [41, 41]]},
    ),
    ({"protocol": "icmp", "icmp_type": ["echo-request", 13]}, {"icmp_types": [8, 13]}),
    ({"protocol": "icmpv6", "icmp_type": "echo-request"}, {"icmp_types": [128]}),
    ({"fragment": ["first", "later"], "protocol": "udp"}, {"fragment": ["first", "later"]}),
    ({"length": ["0-27", 1500], "protocol": "udp"}, {"length": [[0, 27], [1500, 1500]]}),
    ({"dscp": ["ef", 1]}, {"dscp": [1, 46]}),
    ({"action": "mark", "mark": "cs1"}, {"action": "mark", "mark": 8}),
    ({"action": "count-only", "protocol": "tcp"}, {"action": "count-only"}),
    (
        {"action": "limit", "limit": {"rate": "10kpps"}},
        {"limit": {"rate": 10_000, "unit": "packets", "burst": 1000, "per": "rule", "lengths": [32, 128]}},
    ),
    (
        {"action": "count-only", "limit": {"rate": "1.5gbit", "burst": "20mbit", "per": "source"}},
        {"limit": {"rate": 1_500_000_000, "unit": "bits", "burst": 20_000_000, "per": "source", "lengths": [32, 128]}},
    ),
    (
        {"action": "limit", "limit": {"rate": "1pps", "per": "destination-prefix", "ipv4_length": 28}},
        {"limit": {"rate": 1, "unit": "packets", "burst": 1, "per": "destination", "lengths": [28, 56]}},
    ),
]


@pytest.mark.parametrize(("fields", "expected"), COMPILED, ids=[str(row[0]) for row in COMPILED])
def test_what_is_written_reaches_the_plan(fields, expected):
    found = compiled(**fields)
    assert {key: found[key] for key in expected} == expected


def test_what_is_not_asked_for_is_not_in_the_plan():
    assert set(compiled(source="192.0.2.9")) == {
        *("name", "action", "devices", "source", "destination"),
        *("protocol", "source_port", "destination_port", "dscp"),
    }


def section(*changes):
    loaded = check(*changes)
    assert loaded.policy is not None, loaded.problems
    return compile_section(loaded.policy, "edge1.lhr1")


def test_tracked_and_budget_are_in_the_plan_where_they_are_needed():
    assert {"tracked", "drop_budget"}.isdisjoint(section())
    assert {"tracked", "drop_budget"}.isdisjoint(section(("filtering/tracked", 4096)))
    limited = rule(action="limit", limit={"rate": "1kpps", "per": "source"})
    found = section((f"{RULES}/2", limited), ("filtering/tracked", 4096), ("filtering/drop_budget", "12.5%"))
    assert (found["tracked"], found["drop_budget"]) == (4096, 0.125)


def test_a_rule_s_own_budget_is_in_its_rule_and_nowhere_else():
    found = section((f"{RULES}/2", rule(action="limit", limit={"rate": "1kpps"}, drop_budget="5%")))
    assert [one.get("drop_budget") for one in found["rules"] if "drop_budget" in one] == [0.05]
    assert "drop_budget" not in found


WRONG = [
    ({"action": "mark", "mark": "cs1", "drop_budget": "5%"}, THIRD, "drop or limit"),
    ({"action": "drop", "drop_budget": "101%"}, f"{THIRD}.drop_budget", "percentage"),
    ({"action": "limit"}, THIRD, "limit beside"),
    ({"limit": {"rate": "10kpps"}}, THIRD, "action: limit"),
    ({"action": "mark"}, THIRD, "mark"),
    ({"mark": "cs1"}, THIRD, "mark"),
    ({"action": "mark", "mark": "cs9"}, f"{THIRD}.mark", "DSCP"),
    ({"action": "limit", "limit": {"rate": "10"}}, f"{THIRD}.limit.rate", "unit"),
    ({"action": "limit", "limit": {"rate": 10}}, f"{THIRD}.limit.rate", "10kpps"),
    ({"action": "limit", "limit": {"rate": "0pps"}}, f"{THIRD}.limit.rate", "from 1pps"),
    ({"action": "limit", "limit": {"rate": "10kpps", "burst": "1mbit"}}, f"{THIRD}.limit", "packets"),
    ({"action": "limit", "limit": {"rate": "10kpps", "burst": "99packets"}}, f"{THIRD}.limit", "100 packets"),
    ({"action": "limit", "limit": {"rate": "10kbit", "burst": "9kbit"}}, f"{THIRD}.limit", "73728 bits"),
    ({"action": "limit", "limit": {"rate": "1pps", "burst": "9999packets"}}, f"{THIRD}.limit", "hour"),
    ({"action": "limit", "limit": {"rate": "1pps", "per": "source", "ipv4_length": 24}}, f"{THIRD}.limit", "prefix"),
    ({"tcp_flags": "syn"}, f"{THIRD}.tcp_flags", "protocol: tcp"),
    ({"tcp_flags": "syn", "protocol": "udp"}, f"{THIRD}.tcp_flags", "protocol: tcp"),
    ({"tcp_flags": "sin", "protocol": "tcp"}, f"{THIRD}.tcp_flags", "Flags: fin, syn"),
    ({"tcp_flags": "syn,!syn", "protocol": "tcp"}, f"{THIRD}.tcp_flags", "once"),
    ({"icmp_type": 8}, f"{THIRD}.icmp_type", "protocol: icmp"),
    ({"icmp_type": "ping", "protocol": "icmp"}, f"{THIRD}.icmp_type", "name"),
    ({"icmp_type": "packet-too-big", "protocol": "icmp"}, f"{THIRD}.icmp_type", "no type of this name"),
    ({"fragment": "last"}, f"{THIRD}.fragment", "later"),
    ({"length": "64-1"}, f"{THIRD}.length", "length"),
]


@pytest.mark.parametrize(("fields", "path", "words"), WRONG, ids=[str(row[0]) for row in WRONG])
def test_what_cannot_be_meant_is_named(fields, path, words):
    found = errors((f"{RULES}/2", rule(**fields)))
    assert any(where.startswith(path) and words in text for where, text in found.items()), found


SHADOWED = [
    (rule(source="240.1.0.0/16"), "bogons"),
    (rule(source="240.1.0.0/16", action="limit", limit={"rate": "1kpps"}), "bogons"),
    (rule(protocol="udp", source_port=53, destination="192.0.2.7", length="0-99"), "dns"),
]


@pytest.mark.parametrize(("second", "by"), SHADOWED, ids=[f"{row[1]} {row[0]}" for row in SHADOWED])
def test_a_rule_that_can_never_match_is_reported(second, by):
    found = errors((f"{RULES}/2", second))
    assert f"'{by}' before it" in found[f"{THIRD}.name"]


def test_a_rule_that_is_hidden_on_some_hosts_alone_is_none_that_can_never_match():
    elsewhere = rule(match={"pop": "lhr1"}, source="198.18.0.0/15", name="some")
    assert errors((f"{RULES}/2", elsewhere), (f"{RULES}/3", rule(source="198.18.0.0/16"))) == {}


@pytest.mark.parametrize("action", ["count-only", "mark"])
def test_what_does_not_decide_hides_nothing(action):
    first = rule(action=action, name="first", **({"mark": "cs1"} if action == "mark" else {}))
    assert errors((f"{RULES}/2", first), (f"{RULES}/3", rule(source="198.18.0.0/16"))) == {}
