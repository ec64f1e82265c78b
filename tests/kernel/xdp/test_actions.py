"""What rules do besides dropping: limits, marks, dry runs; and what they see of TCP, ICMP, fragments and lengths."""

from __future__ import annotations

import socket
import struct
import time
from ipaddress import ip_address

import pytest
from frames import (
    FRAGMENT,
    HERE4,
    HOP,
    ICMPV6,
    OUTSIDE4,
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

from tidegate.bpf import libbpf
from tidegate.xdp import counters, limits
from tidegate.xdp.management import REMOTE, Peer

ICMP = 1
FIN, SYN, RST, ACK = 1, 2, 4, 16


def tcp(flags: int, source: int = 1000, destination: int = 2000) -> bytes:
    return struct.pack("!HHIIBBHHH", source, destination, 0, 0, 5 << 4, flags, 0xFFFF, 0, 0)


def icmp(kind: int) -> bytes:
    return struct.pack("!BBHI", kind, 0, 0, 0)


NEW = {"tcp_flags": [[SYN, SYN | ACK]]}
NULL_OR_CHRISTMAS = {"tcp_flags": [[0, 255], [0x29, 0x29]]}
PING = {"icmp_types": [8, 128]}

TABLE = [
    (NEW, four(tcp(SYN), protocol=TCP), "drop", "SYN without ACK"),
    (NEW, six(tcp(SYN), protocol=TCP), "drop", "... over IPv6"),
    (NEW, four(tcp(SYN | ACK), protocol=TCP), "pass", "SYN with ACK"),
    (NEW, four(tcp(SYN | 0xC0), protocol=TCP), "drop", "flags outside the mask do not matter: ECN"),
    (NEW, four(tcp(SYN), protocol=UDP), "pass", "UDP has no flags, whatever its bytes look like"),
    (NEW, four(tcp(SYN), protocol=TCP, fragment=0x00B9), "pass", "a later fragment has none"),
    (NEW, four(tcp(SYN), protocol=TCP, fragment=0x2000), "drop", "the first fragment has"),
    (NEW, four(tcp(SYN)[:13], protocol=TCP), "pass", "cut short before the flags"),
    (NEW, four(tcp(SYN)[:14], protocol=TCP), "drop", "cut short right behind them"),
    (NEW, six(extension(TCP) + tcp(SYN), protocol=HOP), "drop", "behind an extension header"),
    (NULL_OR_CHRISTMAS, four(tcp(0), protocol=TCP), "drop", "no flag at all"),
    (NULL_OR_CHRISTMAS, four(tcp(0x29), protocol=TCP), "drop", "FIN, PSH, URG: the other pair"),
    (NULL_OR_CHRISTMAS, four(tcp(ACK), protocol=TCP), "pass", "neither pair"),
    (PING, four(icmp(8), protocol=ICMP), "drop", "ICMP echo request"),
    (PING, six(icmpv6(128), protocol=ICMPV6), "drop", "ICMPv6 echo request"),
    (PING, four(icmp(0), protocol=ICMP), "pass", "echo reply"),
    ({**PING, "protocol": ICMPV6}, four(icmp(8), protocol=ICMP), "pass", "the type, but another protocol"),
    (PING, four(icmp(8)), "pass", "UDP that looks like it"),
    (PING, four(icmp(8)[:1], protocol=ICMP), "pass", "one byte is no ICMP header"),
    (PING, four(icmp(8), protocol=ICMP, fragment=0x00B9), "pass", "a later fragment has no type"),
    ({"icmp_types": []}, four(icmp(8), protocol=ICMP), "pass", "an empty list matches nothing"),
    ({"fragment": ["later"]}, four(fragment=0x2001), "drop", "a middle fragment is a later one"),
    ({"fragment": ["later"]}, four(fragment=0x0001), "drop", "the last fragment too"),
    ({"fragment": ["later"]}, four(fragment=0x2000), "pass", "the first is not"),
    ({"fragment": ["first"]}, four(fragment=0x2000), "drop", "the first fragment"),
    ({"fragment": ["first", "later"]}, four(fragment=0x4000), "pass", "don't fragment is not a fragment"),
    ({"fragment": ["whole"]}, four(fragment=0x4000), "drop", "... it is whole"),
    ({"fragment": ["later"]}, six(fragment_header(UDP, 9), protocol=FRAGMENT), "drop", "a later IPv6 fragment"),
    ({"fragment": ["first"]}, six(fragment_header(UDP, 0) + transport(), protocol=FRAGMENT), "drop", "a first one"),
    (
        {"fragment": ["whole"]},
        six(struct.pack("!BBHI", UDP, 0, 0, 7) + transport(), protocol=FRAGMENT),
        "drop",
        "an atomic fragment is whole (RFC 6946)",
    ),
    ({"fragment": ["whole"]}, six(extension(HOP) * 9, protocol=HOP), "drop", "what hides its part is refused"),
    ({"length": [[28, 28]]}, four(), "drop", "20 bytes of header and 8 of UDP"),
    ({"length": [[29, 65535]]}, four(), "pass", "one byte more is asked for"),
    ({"length": [[48, 48]]}, six(), "drop", "40 bytes of header and 8 of UDP"),
    ({"length": [[0, 27], [29, 47], [49, 65535]]}, four(), "pass", "around it on both sides"),
    ({"length": [[28, 28]]}, four() + bytes(18), "drop", "Ethernet's padding is not the packet's"),
    ({"length": [[28, 28]]}, ethernet(ipv4(), 0x0800, (0x88A8, 7), (0x8100, 8)), "drop", "nor are its tags"),
    ({"length": []}, four(), "pass", "an empty list of lengths matches nothing"),
    ({"dscp": [46], "length": [[28, 28]], "fragment": ["whole"]}, four(dscp=46), "drop", "all conditions hold"),
    ({"dscp": [46], "length": [[28, 28]], "fragment": ["first"]}, four(dscp=46), "pass", "all but one hold"),
]


@pytest.mark.parametrize(("conditions", "frame", "expected", "why"), TABLE, ids=[row[3] for row in TABLE])
def test_packet(bench, rule, conditions, frame, expected, why):
    bench.use(rule("drop", **conditions))
    assert bench.verdict(frame) == expected
    assert bench.preflight(frame) == expected or "hides" in why


def test_every_length_of_a_cut_packet_is_judged_without_harm(bench, rule):
    """Whatever is cut off: the program returns a verdict, and never drops what has no whole IP header."""
    bench.use(rule("drop", **NEW), rule("drop", **PING), rule("drop", fragment=["first"]), rule("mark", mark=8))
    whole = [
        four(tcp(SYN), protocol=TCP, options=bytes(8)),
        six(extension(FRAGMENT) + fragment_header(TCP, 0) + tcp(SYN), protocol=HOP),
        ethernet(ipv6(icmpv6(128), protocol=ICMPV6), 0x86DD, (0x88A8, 1), (0x8100, 2)),
    ]
    for frame in whole:
        verdicts = [bench.verdict(frame[:length]) for length in range(14, len(frame) + 1)]
        assert verdicts[-1] == "drop"
        assert set(verdicts[:20]) == {"pass"}


# Counting ------------------------------------------------------------------------------------------------------------


def tallies(bench):
    return counters.of_rules(bench.loaded.maps, bench.slots)


def test_a_dry_run_counts_and_drops_nothing(bench, rule):
    bench.use(rule("count-only", "trial", protocol=UDP), rule("drop", "real", protocol=TCP))
    assert bench.verdict(four()) == "pass"
    assert bench.verdict(four(protocol=TCP)) == "drop"
    assert bench.counted() == {"trial": 1, "real": 1}
    assert bench.totals() == {"passed": 1, "dropped": 1, "hidden": 0, "exempted": 0}


def test_a_dry_run_refuses_no_packet_that_hides_its_transport_header(bench, rule):
    hidden = six(extension(HOP) * 9, protocol=HOP)
    bench.use(rule("count-only", protocol=UDP))
    assert bench.verdict(hidden) == "pass"
    bench.use(rule("drop", protocol=UDP))
    assert bench.verdict(hidden) == "drop"


def test_a_dry_run_behind_the_rule_that_decides_sees_nothing(bench, rule):
    bench.use(rule("drop", "first", protocol=UDP), rule("count-only", "behind"))
    bench.verdict(four())
    assert bench.counted() == {"first": 1, "behind": 0}


def test_packets_and_bytes(bench, rule):
    bench.use(rule("drop", "rule", protocol=UDP))
    bench.verdict(four())
    bench.verdict(four() + bytes(958))
    assert tallies(bench)["rule"] == (2, 42 + 1000, 0, 0)


# Limits --------------------------------------------------------------------------------------------------------------


def limit(burst: int, rate: float = 0.01, unit: str = "packets", per: str = "rule", lengths=(32, 128)):
    """So slow that no test lives to see a second packet earned."""
    return {"rate": rate, "unit": unit, "burst": burst, "per": per, "lengths": list(lengths)}


@pytest.fixture
def limited(bench):
    for counter in range(256):
        limits.forget(bench.loaded.maps, counter)
    libbpf.map_delete(bench.loaded.maps["address_buckets"], bytes(4))
    limits.ensure_table(bench.loaded.maps, 1024)
    return bench


def verdicts(bench, *frames: bytes) -> list[str]:
    return [bench.verdict(frame) for frame in frames]


def test_a_burst_passes_and_then_nothing(limited, rule):
    limited.use(rule("limit", "slow", limit=limit(3)))
    assert verdicts(limited, *[four()] * 5) == ["pass"] * 3 + ["drop"] * 2
    assert tallies(limited)["slow"] == (5, 5 * 42, 2, 2 * 42)
    assert limited.totals() == {"passed": 3, "dropped": 2, "hidden": 0, "exempted": 0}


def test_what_is_within_the_limit_goes_on_to_the_next_rule(limited, rule):
    limited.use(rule("limit", "slow", limit=limit(3)), rule("drop", "next", protocol=UDP), rule("allow", "last"))
    assert verdicts(limited, four(), four(protocol=TCP)) == ["drop", "pass"]
    assert limited.counted() == {"slow": 2, "next": 1, "last": 1}


def test_what_is_past_the_limit_reaches_no_later_rule(limited, rule):
    limited.use(rule("limit", "slow", limit=limit(1)), rule("count-only", "behind"))
    verdicts(limited, *[four()] * 3)
    assert limited.counted() == {"slow": 3, "behind": 1}


def test_a_limit_in_bits_charges_the_whole_frame(limited, rule):
    limited.use(rule("limit", limit=limit(8 * 100, rate=8, unit="bits")))
    assert verdicts(limited, four(), four(), four()) == ["pass", "pass", "drop"], "42 bytes each of 100"


def test_a_large_packet_past_the_limit_leaves_room_for_a_small_one(limited, rule):
    limited.use(rule("limit", limit=limit(8 * 100, rate=8, unit="bits")))
    assert verdicts(limited, four() + bytes(100), four()) == ["drop", "pass"]


def test_every_source_has_its_own_bucket(limited, rule):
    limited.use(rule("limit", limit=limit(1, per="source")))
    mine, other = four(), four(source="203.0.113.10")
    assert verdicts(limited, mine, other, mine, other) == ["pass", "pass", "drop", "drop"]
    assert verdicts(limited, six(), six()) == ["pass", "drop"]
    assert limited.verdict(four(destination="198.51.100.3")) == "drop", "wherever it goes"


def test_every_destination_has_its_own_bucket(limited, rule):
    limited.use(rule("limit", limit=limit(1, per="destination")))
    assert verdicts(limited, four(), four(source="192.0.2.1"), four(destination="198.51.100.3")) == [
        "pass",
        "drop",
        "pass",
    ]


def test_a_prefix_has_one_bucket(limited, rule):
    limited.use(rule("limit", limit=limit(1, per="source", lengths=(25, 49))))
    assert verdicts(limited, four(), four(source="203.0.113.127"), four(source="203.0.113.128")) == [
        "pass",
        "drop",
        "pass",
    ]
    near, far = six(source="2001:db8:ffff:7fff::1"), six(source="2001:db8:ffff:8000::1")
    assert verdicts(limited, six(), near, far) == ["pass", "drop", "pass"]


def test_rules_do_not_share_buckets(limited, rule):
    limited.use(
        rule("limit", "a", protocol=UDP, limit=limit(1, per="source")),
        rule("limit", "b", protocol=TCP, limit=limit(1, per="source")),
    )
    assert verdicts(limited, four(), four(protocol=TCP)) == ["pass", "pass"]


def test_buckets_survive_a_flip(limited, rule):
    limited.use(rule("limit", "slow", limit=limit(1)))
    limited.verdict(four())
    limited.use(rule("allow", "new", protocol=47), rule("limit", "slow", limit=limit(1)))
    assert limited.verdict(four()) == "drop"


def test_a_changed_limit_applies_at_once(limited, rule):
    limited.use(rule("limit", "slow", limit=limit(1000)))
    assert set(verdicts(limited, *[four()] * 1000)) == {"pass"}
    assert limited.verdict(four()) == "drop"
    # The old bucket is a day in debt; under the new limit a packet is earned every millisecond.
    limited.use(rule("limit", "slow", limit=limit(2, rate=1000)))
    limited.verdict(four())
    deadline = time.monotonic() + 10
    while (verdict := limited.verdict(four())) == "drop" and time.monotonic() < deadline:
        time.sleep(0.001)  # the clock of buckets is the kernel's tick: a thousand packets can fit into one
    assert verdict == "pass", "still in debt under a limit that is no longer"
    limited.use(rule("limit", "slow", limit=limit(1)))
    assert verdicts(limited, *[four()] * 3)[1:] == ["drop", "drop"]


def test_a_rate_is_kept(limited, rule):
    """What passes in however long this takes: a burst, and a thousand a second, give or take a tick of the clock."""
    limited.use(rule("limit", "slow", limit=limit(100, rate=1000)))
    start = time.monotonic()
    passed = verdicts(limited, *[four()] * 5000).count("pass")
    elapsed = time.monotonic() - start
    assert 100 + 1000 * (elapsed - 0.02) <= passed + 1 or passed == 5000
    assert passed <= 100 + 1000 * (elapsed + 0.02) + 1


def test_more_addresses_than_are_tracked_take_no_more_memory(limited, rule):
    limited.use(rule("limit", limit=limit(1, per="source")))
    for number in range(3000):
        assert limited.verdict(four(source=f"10.{number >> 8}.{number & 255}.1")) == "pass"
    assert limited.verdict(four(source="10.11.183.1")) == "drop", "the last one is remembered"
    (table,) = struct.unpack("=I", libbpf.map_lookup(limited.loaded.maps["address_buckets"], bytes(4), 4))
    assert len(libbpf.map_keys(libbpf.map_by_id(table), 20)) <= 1024


def test_another_size_makes_another_table(limited):
    def table() -> bytes:
        return libbpf.map_lookup(limited.loaded.maps["address_buckets"], bytes(4), 4)

    first = table()
    limits.ensure_table(limited.loaded.maps, 1024)
    assert table() == first
    limits.ensure_table(limited.loaded.maps, 2048)
    assert table() != first


def test_a_dry_run_of_a_limit_counts_what_it_would_drop(limited, rule):
    limited.use(rule("count-only", "trial", limit=limit(2)))
    assert set(verdicts(limited, *[four()] * 5)) == {"pass"}
    assert tallies(limited)["trial"] == (5, 5 * 42, 3, 3 * 42)


def test_management_is_spared_past_a_limit_too(limited, rule):
    limited.use(rule("limit", limit=limit(1)))
    limited.spare(Peer(ip_address(OUTSIDE4), TCP, 179, REMOTE))
    frame = four(transport(179, 4711), protocol=TCP)
    assert verdicts(limited, frame, frame, four()) == ["pass", "pass", "drop"]
    assert limited.totals()["exempted"] == 1


# Marks ---------------------------------------------------------------------------------------------------------------


def checksum(header: bytes) -> int:
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def with_checksum(frame: bytes, offset: int = 14) -> bytes:
    header = frame[offset : offset + 20]
    return frame[: offset + 10] + struct.pack("!H", checksum(header)) + frame[offset + 12 :]


@pytest.mark.parametrize("ecn", [0, 3])
@pytest.mark.parametrize("dscp", [0, 8, 46, 63])
@pytest.mark.parametrize("before", [0, 10, 63])
def test_a_mark_writes_the_dscp_and_nothing_else(bench, rule, before, dscp, ecn):
    frame = bytearray(four(dscp=before))
    frame[15] |= ecn
    bench.use(rule("mark", mark=dscp))
    verdict, out = bench.output(with_checksum(bytes(frame)))
    frame[15] = dscp << 2 | ecn
    assert (verdict, out) == ("pass", with_checksum(bytes(frame)))
    assert checksum(out[14:34]) == 0


def test_a_mark_in_ipv6_keeps_ecn_and_flow_label(bench, rule):
    frame = bytearray(six(dscp=21))
    frame[15] |= 0x3A
    frame[16:18] = b"\xbc\xde"
    bench.use(rule("mark", mark=42))
    _, out = bench.output(bytes(frame))
    frame[14] = 0x60 | 42 >> 2
    frame[15] = (42 & 3) << 6 | frame[15] & 0x3F
    assert out == bytes(frame)


def test_a_mark_behind_two_tags(bench, rule):
    frame = with_checksum(ethernet(ipv4(), 0x0800, (0x88A8, 7), (0x8100, 8)), 22)
    bench.use(rule("mark", mark=46))
    _, out = bench.output(frame)
    assert out[23] == 46 << 2
    assert checksum(out[22:42]) == 0


def test_the_last_mark_wins_and_a_decision_ends_it(bench, rule):
    bench.use(
        rule("mark", "a", mark=8),
        rule("mark", "b", mark=10, protocol=UDP),
        rule("allow", "c"),
        rule("mark", "d", mark=1),
    )
    assert bench.output(with_checksum(four()))[1][15] == 10 << 2
    assert bench.counted() == {"a": 1, "b": 1, "c": 1, "d": 0}


def test_what_no_mark_matches_is_left_as_it_is(bench, rule):
    bench.use(rule("mark", mark=8, protocol=TCP))
    assert bench.output(four())[1] == four()


def test_the_packets_source_is_what_was_sent(bench, rule):
    """The mark comes last: rules before and behind it see the DSCP that the packet came with."""
    bench.use(rule("mark", "a", mark=8), rule("drop", "b", dscp=[8]))
    assert bench.verdict(four()) == "pass"
    assert socket.inet_aton(HERE4) in bench.output(with_checksum(four()))[1]
