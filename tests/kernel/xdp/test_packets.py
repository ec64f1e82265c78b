"""Bytes in, verdict out: every condition, family and odd packet, run by the kernel on one frame each."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from frames import (
    AH,
    DESTINATION,
    ESP,
    FRAGMENT,
    HOP,
    ICMPV6,
    OUTSIDE4,
    OUTSIDE6,
    ROUTING,
    TCP,
    UDP,
    ethernet,
    extension,
    four,
    fragment_header,
    icmpv6,
    ipv4,
    ipv6,
    six,
    transport,
)

from tidegate.xdp.desired import Masters
from tidegate.xdp.management import REMOTE, Peer, peers

FROM_OUTSIDE = {"source": ["203.0.113.0/24", "2001:db8:ffff::/48"]}
TO_US = {"destination": ["198.51.100.2/32", "2001:db8:1::2/128"]}
FROM_DNS = {"source_port": [[53, 53]]}
TO_WEB = {"protocol": TCP, "destination_port": [[80, 80], [443, 443], [8000, 8999]]}
ONLY_UDP = {"protocol": UDP}

# What the one rule drops, the frame, the verdict, and why.
TABLE = [
    # Addresses
    (FROM_OUTSIDE, four(), "drop", "IPv4 source inside the prefix"),
    (FROM_OUTSIDE, four(source="203.0.114.9"), "pass", "IPv4 source beside the prefix"),
    (FROM_OUTSIDE, six(), "drop", "IPv6 source inside the prefix"),
    (FROM_OUTSIDE, six(source="2001:db8:fffe::9"), "pass", "IPv6 source beside the prefix"),
    ({"source": ["203.0.113.0/24"]}, six(), "pass", "a rule on IPv4 prefixes says nothing about IPv6"),
    ({"source": ["2001:db8::/32"]}, four(), "pass", "a rule on IPv6 prefixes says nothing about IPv4"),
    ({"source": ["0.0.0.0/0"]}, four(), "drop", "the default prefix is all of IPv4"),
    ({"source": ["0.0.0.0/0"]}, six(), "pass", "the IPv4 default prefix is nothing of IPv6"),
    (TO_US, four(), "drop", "IPv4 destination"),
    (TO_US, four(destination="198.51.100.3"), "pass", "another IPv4 destination"),
    (TO_US, six(), "drop", "IPv6 destination"),
    (TO_US, six(destination="2001:db8:1::3"), "pass", "another IPv6 destination"),
    ({**FROM_OUTSIDE, **TO_US}, four(), "drop", "source and destination both hold"),
    ({**FROM_OUTSIDE, **TO_US}, four(destination="198.51.100.3"), "pass", "source holds, destination does not"),
    ({"source": []}, four(), "pass", "an empty list matches nothing"),
    # Protocol, ports, DSCP
    (ONLY_UDP, four(), "drop", "the protocol"),
    (ONLY_UDP, four(protocol=TCP), "pass", "another protocol"),
    (FROM_DNS, four(transport(53, 9)), "drop", "source port, any protocol, UDP"),
    (FROM_DNS, four(transport(53, 9), protocol=TCP), "drop", "source port, any protocol, TCP"),
    (FROM_DNS, four(transport(54, 9)), "pass", "the next source port"),
    (FROM_DNS, four(transport(9, 53)), "pass", "the port at the other side"),
    (FROM_DNS, four(transport(53, 9), protocol=47), "pass", "GRE has no ports, whatever its bytes look like"),
    (TO_WEB, six(transport(9, 443), protocol=TCP), "drop", "destination port over IPv6"),
    (TO_WEB, four(transport(9, 443), protocol=UDP), "pass", "the port, but another protocol"),
    (TO_WEB, four(transport(9, 8000), protocol=TCP), "drop", "first port of a range"),
    (TO_WEB, four(transport(9, 8999), protocol=TCP), "drop", "last port of a range"),
    (TO_WEB, four(transport(9, 9000), protocol=TCP), "pass", "past the range"),
    ({"destination_port": [[65535, 65535]]}, four(transport(9, 65535)), "drop", "the highest port"),
    ({"destination_port": [[0, 0]]}, four(transport(9, 0)), "drop", "port 0"),
    ({"destination_port": []}, four(), "pass", "an empty list of ports matches nothing"),
    ({"dscp": [46]}, four(dscp=46), "drop", "DSCP of IPv4"),
    ({"dscp": [46]}, four(dscp=45), "pass", "another DSCP"),
    ({"dscp": [46, 63]}, six(dscp=63), "drop", "DSCP of IPv6, all bits set"),
    ({"dscp": [46]}, six(dscp=0), "pass", "no DSCP, IPv6"),
    # VLAN tags
    (FROM_OUTSIDE, ethernet(ipv4(), 0x0800, (0x8100, 7)), "drop", "one VLAN tag"),
    (FROM_OUTSIDE, ethernet(ipv4(), 0x0800, (0x88A8, 7), (0x8100, 8)), "drop", "QinQ"),
    (FROM_OUTSIDE, ethernet(ipv6(), 0x86DD, (0x8100, 7)), "drop", "one VLAN tag, IPv6"),
    (FROM_OUTSIDE, ethernet(ipv4(), 0x0800, *[(0x8100, 7)] * 3), "pass", "three tags are more than are read"),
    # IPv4 options and fragments
    (FROM_DNS, four(transport(53, 9), options=bytes(40)), "drop", "ports behind 40 bytes of options"),
    (FROM_DNS, four(transport(53, 9), fragment=0x2000), "drop", "the first fragment has ports"),
    (FROM_DNS, four(transport(53, 9), fragment=0x2001), "pass", "a later fragment has none: these bytes are payload"),
    (ONLY_UDP, four(fragment=0x00B9), "drop", "a later fragment still has its protocol"),
    (FROM_OUTSIDE, four(fragment=0x00B9), "drop", "... and its addresses"),
    # IPv6 extension headers
    (FROM_DNS, six(extension(UDP) + transport(53, 9), protocol=HOP), "drop", "ports behind hop-by-hop options"),
    (FROM_DNS, six(extension(UDP, 5) + transport(53, 9), protocol=DESTINATION), "drop", "a long options header"),
    (
        FROM_DNS,
        six(extension(DESTINATION) + extension(UDP) + transport(53, 9), protocol=ROUTING),
        "drop",
        "two headers",
    ),
    (FROM_DNS, six(extension(UDP, 1) + transport(53, 9), protocol=AH), "pass", "AH counts in words: bytes shifted"),
    (FROM_DNS, six(struct.pack("!BB", UDP, 4) + bytes(22) + transport(53, 9), protocol=AH), "drop", "ports behind AH"),
    (ONLY_UDP, six(protocol=ESP), "pass", "ESP hides everything behind it, honestly: its protocol is ESP"),
    (FROM_DNS, six(fragment_header(UDP, 0) + transport(53, 9), protocol=FRAGMENT), "drop", "the first IPv6 fragment"),
    (FROM_DNS, six(fragment_header(UDP, 9) + transport(53, 9), protocol=FRAGMENT), "pass", "a later IPv6 fragment"),
    (ONLY_UDP, six(fragment_header(UDP, 9), protocol=FRAGMENT), "drop", "a later IPv6 fragment has its protocol"),
    (
        FROM_DNS,
        six(extension(HOP) * 7 + extension(UDP) + transport(53, 9), protocol=HOP),
        "drop",
        "eight headers are read",
    ),
    (
        ONLY_UDP,
        six(extension(HOP) * 9 + transport(), protocol=HOP),
        "drop",
        "9 headers are not: what is asked for must show",
    ),
    (
        TO_US,
        six(extension(HOP) * 9 + transport(), protocol=HOP, destination=OUTSIDE6),
        "pass",
        "... only if asked for",
    ),
    (TO_US, six(extension(HOP) * 9 + transport(), protocol=HOP), "drop", "and its addresses always count"),
    (ONLY_UDP, six(b"", protocol=HOP), "drop", "an extension header cut short hides the protocol too"),
    # Cut short or wrong
    (FROM_OUTSIDE, four()[:33], "pass", "half an IPv4 header is not IP"),
    (FROM_OUTSIDE, four()[:34], "drop", "a whole IPv4 header and nothing else still has addresses"),
    (FROM_DNS, four(transport(53, 9))[:37], "pass", "three of the four bytes of ports"),
    (FROM_OUTSIDE, six()[:53], "pass", "half an IPv6 header"),
    (FROM_OUTSIDE, four(first=0x44), "pass", "a header length of 16 bytes"),
    (FROM_OUTSIDE, four(first=0x65), "pass", "version 6 where the frame says IPv4"),
    (FROM_OUTSIDE, six(version=4), "pass", "version 4 where the frame says IPv6"),
    (FROM_DNS, four(transport(53, 9), first=0x4F), "pass", "options that reach past the end"),
    ({}, bytes(12) + b"\x08\x00", "pass", "nothing behind the Ethernet header"),
    ({}, bytes(12) + b"\x81\x00\x00", "pass", "a VLAN tag cut short"),
    ({}, ethernet(bytes(28), 0x0806), "pass", "ARP is not filtered"),
    ({}, ethernet(bytes(46), 0x88CC), "pass", "LLDP is not filtered"),
    ({}, four(), "drop", "a rule without conditions drops all IP"),
    ({}, six(protocol=59, payload=b""), "drop", "... even if nothing is inside"),
]


@pytest.mark.parametrize(("conditions", "frame", "expected", "why"), TABLE, ids=[row[3] for row in TABLE])
def test_packet(bench, rule, conditions, frame, expected, why):
    bench.use(rule("drop", **conditions))
    assert bench.verdict(frame) == expected
    assert bench.preflight(frame) == expected or "9 headers" in why or "cut short hides" in why


@pytest.mark.parametrize("frame", [row[1] for row in TABLE], ids=[row[3] for row in TABLE])
def test_nothing_is_dropped_before_there_is_a_policy(bench, frame):
    assert bench.verdict(frame) == "pass"
    assert bench.totals() == {"passed": 0, "dropped": 0, "hidden": 0, "exempted": 0}


def test_the_first_match_decides(bench, rule):
    bench.use(
        rule("allow", "friend", source=["203.0.113.9/32"]),
        rule("drop", "strangers", source=["203.0.113.0/24"]),
        rule("allow", "rest"),
    )
    assert bench.verdict(four()) == "pass"
    assert bench.verdict(four(source="203.0.113.10")) == "drop"
    assert bench.verdict(six()) == "pass"
    assert bench.counted() == {"friend": 1, "strangers": 1, "rest": 1}


def test_a_longer_prefix_of_one_rule_does_not_hide_a_shorter_one_of_another(bench, rule):
    bench.use(
        rule("drop", "wide", source=["203.0.0.0/16"], protocol=TCP),
        rule("drop", "narrow", source=["203.0.113.0/24"], protocol=UDP),
        rule("drop", "anyone", protocol=47),
    )
    assert [bench.verdict(four(protocol=protocol)) for protocol in (TCP, UDP, 47, 50)] == ["drop"] * 3 + ["pass"]


def test_sixty_four_rules_keep_their_order(bench, rule):
    bench.use(*(rule("drop", f"r{port}", destination_port=[[port, port]]) for port in range(100, 164)))
    for port in (100, 131, 132, 163):
        assert bench.verdict(four(transport(9, port))) == "drop"
    assert bench.verdict(four(transport(9, 164))) == "pass"
    counted = bench.counted()
    assert {name for name, packets in counted.items() if packets} == {"r100", "r131", "r132", "r163"}


def test_a_rule_of_another_interface_says_nothing_here(bench, rule):
    bench.use(rule("drop", devices=("elsewhere",)), devices=("elsewhere",))
    assert bench.verdict(four()) == "pass"


def test_counters_stay_with_their_rule_through_a_flip(bench, rule):
    bench.use(rule("drop", "a", protocol=UDP))
    bench.verdict(four())
    bench.use(rule("drop", "b", protocol=TCP), rule("drop", "a", protocol=UDP))
    bench.verdict(four())
    assert bench.counted() == {"b": 0, "a": 2}


def test_a_rule_that_comes_back_long_after_starts_from_zero_if_its_counter_was_needed(bench, rule):
    bench.use(rule("drop", "old"))
    bench.verdict(four())
    for batch in range(5):
        bench.use(*(rule("drop", f"r{batch}-{number}", protocol=number) for number in range(60)))
    bench.use(rule("drop", "old"))
    assert bench.counted() == {"old": 0}


def test_totals_and_bytes(bench, rule):
    bench.use(rule("drop", protocol=UDP, destination_port=[[9, 9]]))
    bench.verdict(four(transport(1, 9)))
    bench.verdict(four(transport(1, 8)))
    bench.verdict(six(extension(HOP) * 9, protocol=HOP))
    assert bench.totals() == {"passed": 1, "dropped": 2, "hidden": 1, "exempted": 0}


SPARED = [
    (four(transport(179, 4711), protocol=TCP), "BGP we opened"),
    (four(transport(4711, 179), protocol=TCP), "BGP they opened"),
    (six(transport(179, 4711), protocol=TCP), "BGP over IPv6"),
    (four(transport(4505, 4711), source="192.0.2.1", protocol=TCP), "Salt publications"),
    (four(transport(4506, 4711), source="192.0.2.1", protocol=TCP), "Salt requests"),
    (four(transport(4711, 22), source="192.0.2.7", protocol=TCP), "an open SSH session"),
    *((six(icmpv6(kind), protocol=ICMPV6, hops=255), f"neighbour discovery, type {kind}") for kind in range(133, 138)),
]
NOT_SPARED = [
    (four(transport(179, 4711), protocol=TCP, source="203.0.113.10"), "BGP from somebody else"),
    (four(transport(179, 179), protocol=UDP), "the neighbor, another protocol"),
    (four(transport(22, 4711), source="192.0.2.7", protocol=TCP), "SSH the other way round"),
    (four(transport(4711, 4505), source="192.0.2.1", protocol=TCP), "the master calling our port 4505"),
    (four(transport(179, 4711), protocol=TCP, fragment=0x00B9), "a later fragment from the neighbor"),
    (six(icmpv6(135), protocol=ICMPV6, hops=254), "neighbour discovery from beyond the link"),
    (six(icmpv6(128), protocol=ICMPV6, hops=255), "an echo request"),
    (six(fragment_header(ICMPV6, 9) + icmpv6(135), protocol=FRAGMENT, hops=255), "fragmented neighbour discovery"),
]


@pytest.fixture
def closed(bench, rule):
    """Everything is dropped, but management is spared."""
    bench.use(rule("drop", "everything"))
    bench.spare(*peers([OUTSIDE4, OUTSIDE6], Masters(("192.0.2.1",)), ["192.0.2.7"]))
    return bench


@pytest.mark.parametrize(("frame", "what"), SPARED, ids=[row[1] for row in SPARED])
def test_management_gets_through_a_filter_that_drops_everything(closed, frame, what):
    assert closed.verdict(frame) == "pass", what
    assert closed.totals()["exempted"] == 1
    assert closed.counted() == {"everything": 0}
    assert closed.preflight(frame) == "drop", "the pre-flight must not be comforted by the allow-list"


@pytest.mark.parametrize(("frame", "what"), NOT_SPARED, ids=[row[1] for row in NOT_SPARED])
def test_the_allow_list_is_narrow(closed, frame, what):
    assert closed.verdict(frame) == "drop", what


def test_a_pruned_peer_is_filtered_again(closed):
    kept = Peer(ip_address("192.0.2.1"), TCP, 4505, REMOTE)
    closed.spare(kept)
    assert closed.verdict(four(transport(179, 4711), protocol=TCP)) == "drop"
    assert closed.verdict(four(transport(4505, 4711), source="192.0.2.1", protocol=TCP)) == "pass"


def test_the_preflight_counts_nothing(bench, rule):
    bench.use(rule("drop"))
    bench.preflight(four())
    assert bench.counted() == {"rule": 0}
    assert not any(bench.totals().values())
