"""From the model's packet to the bytes of a frame, for the pre-flight and for tests that compare model and program."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

from tidegate.xdp.verdict import ICMPV6, TCP, UDP, Packet

ETHERTYPE = {4: 0x0800, 6: 0x86DD}
FRAGMENT_HEADER = 44
NEIGHBOR_SOLICITATION = 135
_MACS = bytes.fromhex("020000000001020000000002")
_MORE4, _MORE6 = 0x2000, 1
"""More fragments follow (RFC 791, RFC 8200)."""
_LATER = 185
"""Offset of a fragment that is not the first, in units of 8 bytes (RFC 791): 1480 bytes into its packet."""


def frame(packet: Packet) -> bytes:
    """The Ethernet frame of a packet. Its checksums are zero: no filter looks at them.

    ICMPv6 is a neighbor solicitation with hop limit 255 unless it says its type; anything but TCP and ICMP is eight
    bytes of payload. A length that is not the frame's own is in the IP header alone.
    """
    version = ip_address(packet.src).version
    payload = bytes(8) if packet.fragment else _transport(packet)
    header = _ipv4(packet, len(payload)) if version == 4 else _ipv6(packet, len(payload))
    return _MACS + struct.pack("!H", ETHERTYPE[version]) + header + payload


def _transport(packet: Packet) -> bytes:
    if packet.protocol == TCP:
        return struct.pack(
            "!HHIIBBHHH", packet.sport or 0, packet.dport or 0, 0, 0, 5 << 4, packet.tcp_flags, 0xFFFF, 0, 0
        )
    if packet.protocol == UDP:
        return struct.pack("!HHHH", packet.sport or 0, packet.dport or 0, 8, 0)
    if packet.protocol == ICMPV6:
        kind = NEIGHBOR_SOLICITATION if packet.icmp_type is None else packet.icmp_type
        return struct.pack("!BBHI", kind, 0, 0, 0) + bytes(16)
    return struct.pack("!B7x", packet.icmp_type or 0)


def _ipv4(packet: Packet, length: int) -> bytes:
    source, destination = (socket.inet_pton(socket.AF_INET, address) for address in (packet.src, packet.dst))
    offset = _LATER if packet.fragment else _MORE4 if packet.first else 0
    length = 20 + length if packet.length is None else packet.length
    start = struct.pack("!BBHHHBBH", 0x45, packet.dscp << 2, length, 0, offset, 64, packet.protocol, 0)
    return start + source + destination


def _ipv6(packet: Packet, length: int) -> bytes:
    source, destination = (socket.inet_pton(socket.AF_INET6, address) for address in (packet.src, packet.dst))
    following, extension = packet.protocol, b""
    if packet.fragment or packet.first:
        offset = _LATER << 3 if packet.fragment else _MORE6
        extension = struct.pack("!BBHI", packet.protocol, 0, offset, 1)
        following = FRAGMENT_HEADER
    first = 6 << 28 | packet.dscp << 22
    length = len(extension) + length if packet.length is None else packet.length - 40
    start = struct.pack("!IHBB", first, length, following, 255)
    return start + source + destination + extension
