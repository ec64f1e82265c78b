"""The model of the filter: the judge must be beyond doubt, so its laws are stated one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.xdp.verdict import Packet, management_packets, matches, verdict

ANY = {
    "source": None,
    "destination": None,
    "protocol": None,
    "source_port": None,
    "destination_port": None,
    "dscp": None,
}
V4 = Packet("eth0", "10.0.0.1", "192.0.2.1", 17, 53, 4000)
V6 = Packet("eth0", "2001:db8::1", "2001:db8:100::1", 6, 50000, 443)


def rule(name, action="drop", devices=("eth0",), **conditions):
    return {"name": name, "action": action, "devices": list(devices), **ANY, **conditions}


def section(*rules, devices=("eth0",), neighbors=()):
    return {
        "interfaces": [{"name": device, "device": device, "mode": "native"} for device in devices],
        "rules": list(rules),
        "management": {"neighbors": list(neighbors)},
    }


TABLE = [
    # (conditions, packet, whether they match, what it shows)
    ({}, V4, True, "no condition is any packet"),
    ({"source": ["10.0.0.0/8"]}, V4, True, "a prefix covers an address"),
    ({"source": ["10.0.0.2/32"]}, V4, False, "another address"),
    ({"source": ["11.0.0.0/8", "10.0.0.0/24"]}, V4, True, "any of several prefixes"),
    ({"source": []}, V4, False, "an empty list is none"),
    ({"destination": []}, V6, False, "an empty list is none"),
    ({"source": ["::/0"]}, V4, False, "IPv6 prefixes never cover IPv4"),
    ({"source": ["0.0.0.0/0"]}, V6, False, "IPv4 prefixes never cover IPv6"),
    ({"source": ["0.0.0.0/0", "::/0"]}, V6, True, "both families in one list"),
    ({"destination": ["192.0.2.0/24"]}, V4, True, "destination"),
    ({"protocol": 17}, V4, True, "protocol"),
    ({"protocol": 6}, V4, False, "another protocol"),
    ({"protocol": 0}, V4, False, "protocol 0 is a protocol, not any"),
    ({"source_port": [[53, 53]]}, V4, True, "a port"),
    ({"source_port": [[1, 52], [54, 60]]}, V4, False, "between two ranges"),
    ({"destination_port": [[4000, 4001]]}, V4, True, "the first of a range"),
    ({"destination_port": [[3999, 4000]]}, V4, True, "the last of a range"),
    ({"source_port": []}, V4, False, "an empty list is none"),
    ({"source_port": [[0, 65535]]}, Packet("eth0", "10.0.0.1", "192.0.2.1", 1), False, "ICMP has no ports"),
    ({"source_port": [[53, 53]]}, Packet("eth0", "10.0.0.1", "192.0.2.1", 17, 53, 1, fragment=True), False, "fragment"),
    ({"protocol": 17}, Packet("eth0", "10.0.0.1", "192.0.2.1", 17, 53, 1, fragment=True), True, "fragment, any port"),
    ({"dscp": [48]}, V4, False, "another DSCP"),
    ({"dscp": [0, 48]}, V4, True, "DSCP 0 is a value"),
    ({"dscp": []}, V4, False, "an empty list is none"),
    ({"source": ["10.0.0.0/8"], "protocol": 6}, V4, False, "all conditions must hold"),
]


@pytest.mark.parametrize(("conditions", "packet", "expected", "why"), TABLE, ids=[row[3] for row in TABLE])
def test_a_matcher(conditions, packet, expected, why):
    assert matches({**ANY, **conditions}, packet) is expected


def test_the_first_rule_that_matches_decides():
    both = section(rule("spare", "allow", source=["10.0.0.0/24"]), rule("rest", source=["10.0.0.0/8"]))
    assert verdict(both, V4) == ("allow", "spare")
    assert verdict(section(*reversed(both["rules"])), V4) == ("drop", "rest")


def test_what_no_rule_matches_passes():
    assert verdict(section(rule("other", protocol=6)), V4) == ("pass", None)
    assert verdict(section(), V4) == ("pass", None)


def test_rules_stand_on_their_devices_alone():
    two = section(rule("one", devices=("eth1",)), devices=("eth0", "eth1"))
    assert verdict(two, V4) == ("pass", None)
    assert verdict(section(rule("x", devices=("eth0",)), devices=()), V4) == ("pass", None)


CONDITIONS = st.fixed_dictionaries(
    {
        "source": st.none() | st.lists(st.sampled_from(["10.0.0.0/8", "10.0.0.1/32", "::/0", "0.0.0.0/0"]), max_size=2),
        "protocol": st.none() | st.sampled_from([6, 17]),
        "source_port": st.none() | st.lists(st.sampled_from([[53, 53], [0, 65535]]), max_size=2),
    }
)
RULES = st.lists(st.tuples(st.sampled_from(["allow", "drop"]), CONDITIONS), max_size=5).map(
    lambda rules: [rule(f"r{number}", action, **conditions) for number, (action, conditions) in enumerate(rules)]
)
PACKETS = st.sampled_from([V4, V6, Packet("eth0", "10.0.0.1", "10.0.0.2", 17, 53, 53, fragment=True)])


@given(RULES, PACKETS)
def test_a_rule_after_the_one_that_decided_changes_nothing(rules, packet):
    action, name = verdict(section(*rules), packet)
    if name is not None:
        assert verdict(section(*rules, rule("later")), packet) == (action, name)
        assert verdict(section(*rules[: int(name[1:]) + 1]), packet) == (action, name)


@given(RULES, PACKETS)
def test_a_rule_that_matches_nothing_changes_nothing(rules, packet):
    assert verdict(section(rule("never", source=[]), *rules), packet) == verdict(section(*rules), packet)


def test_management_packets_arrive_where_the_neighbor_is():
    filtered = section(devices=("eth0", "eth1"), neighbors=["198.51.100.0", "2001:db8:1::1"])
    own = {"eth0": ["198.51.100.1/31"], "eth1": ["2001:db8:1::2/64", "10.0.0.1/8"]}
    flows = management_packets(filtered, own, masters=["203.0.113.1"], ssh_peers=["203.0.113.9"])
    by_name = {flow.name: flow.packet for flow in flows}
    assert by_name["BGP from 198.51.100.0 (their port 179)"] == Packet(
        "eth0", "198.51.100.0", "198.51.100.1", 6, 179, 49152, dscp=48
    )
    assert by_name["BGP from 2001:db8:1::1 (our port 179)"].dport == 179
    assert by_name["BGP from 2001:db8:1::1 (our port 179)"].device == "eth1"
    assert {packet.device for name, packet in by_name.items() if "discovery" in name} == {"eth1"}
    assert {flow.packet.device for flow in flows if "Salt" in flow.name} == {"eth0", "eth1"}
    assert {flow.packet.sport for flow in flows if "Salt" in flow.name} == {4505, 4506}
    assert all(flow.packet.dport == 22 for flow in flows if "SSH" in flow.name)
    assert by_name["neighbour discovery (solicitation)"].dst == "ff02::1:ff00:2"


def test_every_management_packet_is_of_one_family():
    filtered = section(neighbors=["198.51.100.0", "2001:db8:1::1"])
    for flow in management_packets(filtered, {"eth0": ["198.51.100.1/31", "2001:db8:1::2/64"]}, masters=["::5"]):
        assert (":" in flow.packet.src) == (":" in flow.packet.dst)
