"""Frames by the byte, for tables of packets."""

from __future__ import annotations

import socket
import struct

TCP, UDP, ICMPV6 = 6, 17, 58
HOP, ROUTING, FRAGMENT, ESP, AH, DESTINATION = 0, 43, 44, 50, 51, 60

OUTSIDE4, HERE4 = "203.0.113.9", "198.51.100.2"
OUTSIDE6, HERE6 = "2001:db8:ffff::9", "2001:db8:1::2"


def ethernet(payload: bytes, protocol: int, *tags: tuple[int, int]) -> bytes:
    """``tags``: (tag protocol, VLAN id), outermost first."""
    kinds = [*(tag for tag, _ in tags), protocol]
    head = bytes(12) + struct.pack("!H", kinds[0])
    for (_, vlan), following in zip(tags, kinds[1:], strict=True):
        head += struct.pack("!HH", vlan, following)
    return head + payload


def transport(source: int = 1000, destination: int = 2000) -> bytes:
    return struct.pack("!HHHH", source, destination, 8, 0)


def ipv4(
    payload: bytes = transport(),
    source: str = OUTSIDE4,
    destination: str = HERE4,
    protocol: int = UDP,
    dscp: int = 0,
    options: bytes = b"",
    fragment: int = 0,
    first: int | None = None,
) -> bytes:
    """``fragment``: flags and offset as on the wire; ``first``: the first byte, if it is to be wrong."""
    length = 20 + len(options)
    start = struct.pack(
        "!BBHHHBBH",
        0x40 | length // 4 if first is None else first,
        dscp << 2,
        length + len(payload),
        0,
        fragment,
        64,
        protocol,
        0,
    )
    return start + socket.inet_aton(source) + socket.inet_aton(destination) + options + payload


def ipv6(
    payload: bytes = transport(),
    source: str = OUTSIDE6,
    destination: str = HERE6,
    protocol: int = UDP,
    dscp: int = 0,
    hops: int = 64,
    version: int = 6,
) -> bytes:
    start = struct.pack("!IHBB", version << 28 | dscp << 22, len(payload), protocol, hops)
    return start + socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination) + payload


def extension(following: int, length: int = 0) -> bytes:
    return struct.pack("!BB", following, length) + bytes(6 + 8 * length)


def fragment_header(following: int, offset: int) -> bytes:
    return struct.pack("!BBHI", following, 0, offset << 3 | 1, 7)


def icmpv6(kind: int) -> bytes:
    return struct.pack("!BBHI", kind, 0, 0, 0)


def four(*arguments, **options) -> bytes:
    return ethernet(ipv4(*arguments, **options), 0x0800)


def six(*arguments, **options) -> bytes:
    return ethernet(ipv6(*arguments, **options), 0x86DD)
