"""What balancing does to a packet: bytes in, verdict, bytes out."""

from __future__ import annotations

import subprocess
import time

import pytest

from .frames import (
    ACK,
    FRAGMENT,
    HOST,
    ICMP,
    ICMPV6,
    IPIP,
    IPV6,
    SERVER,
    SYN,
    TCP,
    UDP,
    ethernet,
    gue,
    icmp,
    icmp6,
    ip,
    tcp,
    udp,
    vlan,
)
from .planned import backend, section, service

ANY = dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))
VIP, VIP6, CLIENT, CLIENT6 = "192.0.2.10", "2001:db8:100::10", "203.0.113.7", "2001:db8:f00::7"
OWN, OWN6, BACKEND, BACKEND6 = "10.9.0.100", "2001:db8:9::100", "10.9.0.1", "2001:db8:9::1"

OTHER_MAC = bytes.fromhex("020000000a0a")

REQUEST4 = ip(CLIENT, VIP, TCP, tcp(40000, 80, SYN), dscp=10)
REQUEST6 = ip(CLIENT6, VIP6, TCP, tcp(40000, 80, SYN), dscp=46)
SENT4 = ip(VIP, CLIENT, TCP, tcp(80, 40000, ACK, bytes(100)))
SENT6 = ip(VIP6, CLIENT6, TCP, tcp(80, 40000, ACK, bytes(100)))
TOO_BIG4 = ip("198.51.100.99", VIP, ICMP, icmp(3, 4, b"\0\0\x05\x00", SENT4[:28]))
UNREACHABLE4 = ip("198.51.100.99", VIP, ICMP, icmp(3, 1, bytes(4), SENT4[:28]))
ROUTER6 = "2001:db8:99::1"
TOO_BIG6 = ip(ROUTER6, VIP6, ICMPV6, icmp6(ROUTER6, VIP6, 2, b"\0\0\x05\x00", SENT6[:80]))


def entropy(out: bytes) -> int:
    """The UDP source port, or the flow label, that the program chose: any of them will do."""
    packet = out[14:]
    if packet[0] >> 4 == 6:
        return int.from_bytes(packet[:4], "big") & 0xFFFFF
    return int.from_bytes(packet[20:22], "big")


def wrapped(inner: bytes, out: bytes, encapsulation: str, outer: str, dscp: int) -> bytes:
    """The frame that must come out."""
    source, destination = (OWN6, BACKEND6) if outer == "ipv6" else (OWN, BACKEND)
    label = entropy(out) if outer == "ipv6" else 0
    if encapsulation == "ipip":
        packet = ip(source, destination, IPV6 if inner[0] >> 4 == 6 else IPIP, inner, dscp=dscp, label=label)
    else:
        port = 0x8000 | (label if outer == "ipv6" else entropy(out))
        packet = ip(source, destination, UDP, gue(inner, port), dscp=dscp, label=label)
    return ethernet(packet, SERVER, HOST)


ENCAPSULATED = [
    # (description, inner packet, DSCP of the inner packet)
    ("a TCP connection over IPv4 is opened", REQUEST4, 10),
    ("a TCP connection over IPv6 is opened", REQUEST6, 46),
    ("a packet of a connection", ip(CLIENT, VIP, TCP, tcp(40000, 80, ACK, b"x" * 200)), 0),
    ("a question over UDP", ip(CLIENT, VIP, UDP, udp(40000, 53, b"question")), 0),
    ("too big, about a packet that the VIP sent: it follows its flow", TOO_BIG4, 0),
    ("unreachable, about a packet that the VIP sent", UNREACHABLE4, 0),
    ("packet too big over IPv6", TOO_BIG6, 0),
    (
        "the first fragment has ports, so it is balanced",
        ip(CLIENT, VIP, UDP, udp(40000, 53, b"x" * 64), more=1, df=0),
        0,
    ),
]


@pytest.mark.parametrize("outer", ["ipv4", "ipv6"])
@pytest.mark.parametrize("encapsulation", ["ipip", "gue"])
@pytest.mark.parametrize(("description", "inner", "dscp"), ENCAPSULATED, ids=[row[0] for row in ENCAPSULATED])
def test_goes_to_a_server_in_a_wrapping(bench, description, inner, dscp, encapsulation, outer):
    server = backend("server1", BACKEND6 if outer == "ipv6" else BACKEND)
    bench.use(section(service(encapsulation=encapsulation, backends=[server])))
    verdict, out = bench.run(ethernet(inner))
    assert (verdict, out) == ("redirect", wrapped(inner, out, encapsulation, outer, dscp))
    assert bench.fates() == {"sent": 1}


LEFT_ALONE = [
    ("another address", ip(CLIENT, "192.0.2.11", TCP, tcp(40000, 80))),
    ("another port of the VIP", ip(CLIENT, VIP, TCP, tcp(40000, 81))),
    ("another protocol at the port", ip(CLIENT, VIP, UDP, udp(40000, 80))),
    ("an echo request: the VIP's host may answer it", ip(CLIENT, VIP, ICMP, icmp(8, 0, bytes(4), b"hello..."))),
    (
        "an error about a packet of somebody else",
        ip(CLIENT, VIP, ICMP, icmp(3, 4, bytes(4), ip("192.0.2.11", CLIENT, TCP, tcp(80, 40000))[:28])),
    ),
    ("an error cut short", ip(CLIENT, VIP, ICMP, icmp(3, 4, bytes(4), SENT4[:12]))),
    (
        "a fragment other than the first, where flows are spread by ports",
        ip(CLIENT, VIP, UDP, bytes(64), offset=64, df=0),
    ),
    (
        "an IPv6 fragment other than the first",
        ip(CLIENT6, VIP6, FRAGMENT, bytes([17, 0, 0, 64, 0, 0, 0, 1]) + bytes(64)),
    ),
    ("what a VIP sends", SENT4),
]


@pytest.mark.parametrize(("description", "packet"), LEFT_ALONE, ids=[row[0] for row in LEFT_ALONE])
def test_is_left_to_the_stack(bench, description, packet):
    bench.use(section(service()))
    frame = ethernet(packet)
    assert bench.run(frame) == ("pass", frame)
    assert bench.fates() == {}


def test_tagged_frames_are_left_to_the_stack(bench):
    bench.use(section(service()))
    frame = vlan(ethernet(REQUEST4))
    assert bench.run(frame) == ("pass", frame)


@pytest.mark.parametrize("length", range(14, 14 + len(REQUEST4)))
def test_a_frame_cut_short_never_leaves_as_something_else(bench, length):
    bench.use(section(service()))
    verdict, out = bench.run(ethernet(REQUEST4)[:length].ljust(14, b"\0"))
    assert verdict in ("pass", "drop")
    assert out == ethernet(REQUEST4)[:length] or verdict == "drop"


def test_padding_of_a_short_frame_is_no_part_of_the_packet(bench):
    bench.use(section(service()))
    _, out = bench.run(ethernet(ip(CLIENT, VIP, UDP, udp(40000, 53))) + bytes(18))
    assert int.from_bytes(out[16:18], "big") == 20 + 8 + 4 + 28


def test_every_fragment_follows_where_servers_are_chosen_by_source(bench):
    servers = [backend(f"server{number}", f"10.9.0.{number}") for number in range(1, 9)]
    bench.use(section(service(affinity="source", encapsulation="ipip", backends=servers)))
    frames = [
        ip(CLIENT, VIP, UDP, udp(40000, 53, b"x" * 64), more=1, df=0),
        ip(CLIENT, VIP, UDP, bytes(64), offset=72, df=0),
        ip(CLIENT, VIP, TCP, tcp(40000, 80)),
        ip(CLIENT, VIP, TCP, tcp(50000, 80)),
    ]
    assert len({bench.run(ethernet(frame))[1][30:34] for frame in frames}) == 1


def test_flows_come_from_addresses_of_the_outer_prefix(bench):
    bench.use(section(service(encapsulation="ipip"), ipv4="100.64.0.0/16"))
    sources = set()
    for port in range(1024, 1124):
        _, out = bench.run(ethernet(ip(CLIENT, VIP, TCP, tcp(port, 80))))
        assert out[26:28] == bytes([100, 64])
        sources.add(out[26:30])
        assert bench.run(ethernet(ip(CLIENT, VIP, TCP, tcp(port, 80))))[1] == out
    assert len(sources) > 90


def test_a_server_gets_its_share_of_flows(bench):
    servers = [backend("server1", "10.9.0.1", 300), backend("server2", "10.9.0.2", 100)]
    bench.use(section(service(encapsulation="ipip", backends=servers)))
    chosen = [bench.run(ethernet(ip(CLIENT, VIP, TCP, tcp(port, 80))))[1][33] for port in range(1024, 3024)]
    assert 1400 < chosen.count(1) < 1600


def test_errors_follow_their_flow_among_many_servers(bench):
    servers = [backend(f"server{number}", f"10.9.0.{number}") for number in range(1, 9)]
    bench.use(section(service(encapsulation="ipip", backends=servers)))
    chosen = set()
    for port in range(1024, 1074):
        request = bench.run(ethernet(ip(CLIENT, VIP, TCP, tcp(port, 80))))[1]
        quoted = ip(VIP, CLIENT, TCP, tcp(80, port))[:28]
        error = bench.run(ethernet(ip("198.51.100.99", VIP, ICMP, icmp(3, 4, bytes(4), quoted))))[1]
        assert request[30:34] == error[30:34]
        chosen.add(request[30:34])
    assert len(chosen) > 4


# The MTU ------------------------------------------------------------------------------------------------------------


def test_the_sender_of_a_packet_too_big_to_wrap_is_told(bench):
    bench.use(section(service(mtu=1400)))
    packet = ip(CLIENT, VIP, TCP, tcp(40000, 80, ACK, bytes(1340)))
    answer = icmp(3, 4, b"\0\0" + (1400 - 32).to_bytes(2, "big"), packet[:28])
    told = ethernet(ip(VIP, CLIENT, ICMP, answer, df=0), to=ethernet(b"E")[6:12], source=HOST)
    assert bench.run(ethernet(packet)) == ("tx", told)
    assert bench.fates() == {"too_big": 1}


def test_the_sender_of_an_ipv6_packet_too_big_to_wrap_is_told(bench):
    bench.use(section(service(mtu=1400, encapsulation="ipip")))
    packet = ip(CLIENT6, VIP6, TCP, tcp(40000, 80, ACK, bytes(1330)))
    answer = icmp6(VIP6, CLIENT6, 2, (1400 - 20).to_bytes(4, "big"), packet[:64])
    told = ethernet(ip(VIP6, CLIENT6, ICMPV6, answer), to=ethernet(b"E")[6:12], source=HOST)
    assert bench.run(ethernet(packet)) == ("tx", told)


def test_the_route_s_mtu_counts_where_the_policy_says_none(bench):
    bench.use(section(service(encapsulation="ipip")))
    fits = ip(CLIENT, VIP, TCP, tcp(40000, 80, ACK, bytes(1500 - 20 - 40)))
    assert bench.run(ethernet(fits))[0] == "redirect"
    bigger = ip(CLIENT, VIP, TCP, tcp(40000, 80, ACK, bytes(1500 - 20 - 40 + 1)))
    verdict, out = bench.run(ethernet(bigger))
    assert verdict == "tx"
    assert int.from_bytes(out[40:42], "big") == 1480


def test_what_may_be_fragmented_and_does_not_fit_is_dropped_and_counted(bench):
    bench.use(section(service(mtu=1400)))
    packet = ip(CLIENT, VIP, TCP, tcp(40000, 80, ACK, bytes(1340)), df=0)
    assert bench.run(ethernet(packet))[0] == "drop"
    assert bench.fates() == {"too_big": 1}


# No way ------------------------------------------------------------------------------------------------------------


def test_a_server_that_no_route_leads_to_is_counted(bench):
    bench.use(section(service(backends=[backend("server1", "10.77.0.1")])))
    assert bench.run(ethernet(REQUEST4))[0] == "drop"
    assert bench.fates() == {"no_route": 1}


def test_a_server_whose_mac_address_is_not_known_yet_is_left_to_the_stack_wrapped(bench):
    bench.use(section(service(backends=[backend("server1", "10.9.0.77")], encapsulation="ipip")))
    verdict, out = bench.run(ethernet(REQUEST4))
    assert (verdict, out) == ("pass", ethernet(ip(OWN, "10.9.0.77", IPIP, REQUEST4, dscp=10)))
    assert bench.fates() == {"unresolved": 1}


def test_a_new_mac_address_of_a_server_is_used_within_a_tenth_of_a_second(bench):
    """What the kernel said of the way is kept for as long; then it is asked again."""
    bench.use(section(service(backends=[backend("server1", "10.9.0.9")])))
    assert bench.run(ethernet(REQUEST4))[1][:6] == SERVER
    neighbor(OTHER_MAC)
    try:
        time.sleep(0.15)
        assert bench.run(ethernet(REQUEST4))[1][:6] == OTHER_MAC
    finally:
        neighbor(SERVER)
        time.sleep(0.15)


def neighbor(mac):
    words = ["ip", "neigh", "replace", "10.9.0.9", "lladdr", mac.hex(":"), "dev", "eth0", "nud", "permanent"]
    subprocess.run(words, check=True)


def test_the_way_to_one_server_is_never_taken_to_another(bench):
    """Their places in the tables are the same in every other generation."""
    neighbor(OTHER_MAC)
    try:
        for address, mac in (("10.9.0.9", OTHER_MAC), ("10.9.0.1", SERVER)) * 3:
            bench.use(section(service(backends=[backend("server1", address)])))
            assert bench.run(ethernet(REQUEST4))[1][:6] == mac
    finally:
        neighbor(SERVER)
        time.sleep(0.15)


def test_an_empty_pool_drops(bench):
    bench.use(section(service(backends=[])))
    assert bench.run(ethernet(REQUEST4))[0] == "drop"
    assert bench.fates() == {"no_backend": 1}


def test_a_balancer_that_is_the_server_keeps_its_packets(bench):
    bench.use(section(service(backends=[backend("edge", OWN)])))
    assert bench.run(ethernet(REQUEST4)) == ("pass", ethernet(REQUEST4))
    assert bench.fates() == {"kept": 1}


def test_nothing_is_balanced_that_a_rule_drops(bench):
    rule = {
        "name": "no",
        "action": "drop",
        "devices": ["lo"],
        **ANY,
    }
    bench.use(section(service()), rule)
    assert bench.run(ethernet(REQUEST4))[0] == "drop"
    assert bench.fates() == {}


def test_an_allowed_packet_is_balanced(bench):
    rule = {
        "name": "yes",
        "action": "allow",
        "devices": ["lo"],
        **ANY,
    }
    bench.use(section(service()), rule)
    assert bench.run(ethernet(REQUEST4))[0] == "redirect"


# Servers -----------------------------------------------------------------------------------------------------------

SERVED = {"name": "web", "vips": [VIP, VIP6], "ports": [[6, 80], [17, 53]], "address": OWN}
SERVED6 = {**SERVED, "address": OWN6}

UNWRAPPED = [
    ("IPv4 in IPv4", ip(BACKEND, OWN, IPIP, REQUEST4), REQUEST4),
    ("IPv6 in IPv4", ip(BACKEND, OWN, IPV6, REQUEST6), REQUEST6),
    ("IPv6 in IPv6", ip(BACKEND6, OWN6, IPV6, REQUEST6), REQUEST6),
    ("IPv4 in IPv6", ip(BACKEND6, OWN6, IPIP, REQUEST4), REQUEST4),
    ("GUE over IPv4", ip(BACKEND, OWN, UDP, gue(REQUEST4, 40000)), REQUEST4),
    ("GUE over IPv6", ip(BACKEND6, OWN6, UDP, gue(REQUEST6, 40000)), REQUEST6),
    ("a new connection stays at the first hop", ip(BACKEND, OWN, UDP, gue(REQUEST4, 40000, "10.9.0.2")), REQUEST4),
    (
        "the last hop takes whatever comes",
        ip(BACKEND, OWN, UDP, gue(ip(CLIENT, VIP, TCP, tcp(40000, 80)), 40000, "10.9.0.2", left=0)),
        ip(CLIENT, VIP, TCP, tcp(40000, 80)),
    ),
    (
        "UDP stays at the first hop",
        ip(BACKEND, OWN, UDP, gue(ip(CLIENT, VIP, UDP, udp(40000, 53)), 40000, "10.9.0.2")),
        ip(CLIENT, VIP, UDP, udp(40000, 53)),
    ),
    ("an error about what the VIP sent", ip(BACKEND, OWN, IPIP, TOO_BIG4), TOO_BIG4),
]


@pytest.mark.parametrize(("description", "outer", "inner"), UNWRAPPED, ids=[row[0] for row in UNWRAPPED])
def test_a_server_takes_its_packets_out_of_the_wrapping(bench, description, outer, inner):
    bench.use(section(served=(SERVED, SERVED6)))
    assert bench.run(ethernet(outer)) == ("pass", ethernet(inner))
    assert bench.fates() == {"arrived": 1}


HANDED_ON = [
    ("IPv4", ip(CLIENT, VIP, TCP, tcp(40000, 80)), OWN, "10.9.0.2", BACKEND),
    ("IPv6", ip(CLIENT6, VIP6, TCP, tcp(40000, 80)), OWN6, "2001:db8:9::2", BACKEND6),
    ("an error about a connection it does not know", TOO_BIG4, OWN, "10.9.0.2", BACKEND),
]


@pytest.mark.parametrize(("description", "inner", "own", "hop", "source"), HANDED_ON, ids=[row[0] for row in HANDED_ON])
def test_a_server_hands_on_a_connection_that_it_does_not_know(bench, description, inner, own, hop, source):
    bench.use(section(served=(SERVED, SERVED6)))
    frame = ethernet(ip(source, own, UDP, gue(inner, 40000, hop)))
    handed = ethernet(ip(source, hop, UDP, gue(inner, 40000, hop, left=0)), SERVER, HOST)
    assert bench.run(frame) == ("redirect", handed)
    assert bench.fates() == {"handed_on": 1}


NOT_OURS = [
    (
        "a packet for an address that it does not serve",
        ip(BACKEND, OWN, IPIP, ip(CLIENT, "192.0.2.11", TCP, tcp(40000, 80))),
    ),
    ("a port that it does not serve", ip(BACKEND, OWN, IPIP, ip(CLIENT, VIP, TCP, tcp(40000, 22)))),
    ("a wrapping with control bit", ip(BACKEND, OWN, UDP, udp(40000, 6080, bytes([0x20, 4, 0, 0]) + REQUEST4))),
    ("another version of the wrapping", ip(BACKEND, OWN, UDP, udp(40000, 6080, bytes([0x40, 4, 0, 0]) + REQUEST4))),
    ("a wrapping longer than the packet", ip(BACKEND, OWN, UDP, udp(40000, 6080, bytes([0x1F, 4, 0, 0])))),
    ("nothing inside", ip(BACKEND, OWN, IPIP, b"")),
    ("a wrapping in a wrapping", ip(BACKEND, OWN, IPIP, ip(BACKEND, OWN, IPIP, REQUEST4))),
    ("a fragment of a wrapping", ip(BACKEND, OWN, UDP, gue(REQUEST4, 40000), offset=64, df=0)),
]


@pytest.mark.parametrize(("description", "packet"), NOT_OURS, ids=[row[0] for row in NOT_OURS])
def test_nothing_else_comes_out_of_a_wrapping(bench, description, packet):
    bench.use(section(served=(SERVED, SERVED6)))
    assert bench.run(ethernet(packet)) == ("pass", ethernet(packet))
    assert bench.fates() == {}


# Slots -------------------------------------------------------------------------------------------------------------


def test_only_the_slot_in_force_balances(bench):
    bench.use(section(service(encapsulation="ipip")))
    other = bench.prepare(section(service(encapsulation="ipip", backends=[backend("server2", "10.9.0.2")])))
    assert bench.run(ethernet(REQUEST4))[1][33] == 1
    bench.slots.flip(other, timeout=None)
    assert bench.run(ethernet(REQUEST4))[1][33] == 2


def test_a_policy_without_balancing_balances_nothing(bench):
    bench.use(section(service()))
    bench.use(None)
    assert bench.run(ethernet(REQUEST4)) == ("pass", ethernet(REQUEST4))
