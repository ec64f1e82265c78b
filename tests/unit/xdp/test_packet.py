"""Frames of the model's packets, byte by byte where it matters."""

from __future__ import annotations

from tidegate.xdp.packet import frame
from tidegate.xdp.verdict import Packet


def test_tcp_over_ipv4():
    made = frame(Packet("eth0", "192.0.2.1", "198.51.100.2", 6, 179, 49152, dscp=48))
    assert made[12:14] == b"\x08\x00"
    assert made[14:16] == bytes([0x45, 48 << 2])
    assert int.from_bytes(made[16:18], "big") == len(made) - 14
    assert (made[23], made[26:30], made[30:34]) == (6, bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2]))
    assert made[34:38] == bytes([0, 179, 0xC0, 0])


def test_a_later_fragment_has_payload_where_ports_would_be():
    made = frame(Packet("eth0", "192.0.2.1", "198.51.100.2", 17, 53, 53, fragment=True))
    assert int.from_bytes(made[20:22], "big") & 0x1FFF
    assert made[34:] == bytes(8)


def test_ipv6_dscp_and_fragment_header():
    made = frame(Packet("eth0", "2001:db8::1", "2001:db8::2", 17, dscp=46, fragment=True))
    assert made[12:14] == b"\x86\xdd"
    assert made[14] == 0x60 | 46 >> 2 and made[15] >> 6 == 46 & 3
    assert (made[20], made[54]) == (44, 17)
    assert int.from_bytes(made[18:20], "big") == len(made) - 54


def test_neighbour_discovery_comes_from_the_link():
    made = frame(Packet("eth0", "fe80::1", "ff02::1:ff00:2", 58))
    assert (made[21], made[54]) == (255, 135)
