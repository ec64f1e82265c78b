"""Frames as bytes, checksums included: what goes in, and what must come out."""

from __future__ import annotations

import socket
import struct

HOST, ROUTER, SERVER = (bytes.fromhex(text) for text in ("020000000001", "0200000000fe", "020000000909"))
TCP, UDP, ICMP, ICMPV6, IPIP, IPV6, FRAGMENT = 6, 17, 1, 58, 4, 41, 44
SYN, ACK = 0x02, 0x10


def ethernet(packet: bytes, to: bytes = HOST, source: bytes = ROUTER) -> bytes:
    return to + source + struct.pack("!H", 0x86DD if packet[0] >> 4 == 6 else 0x0800) + packet


def vlan(frame: bytes) -> bytes:
    return frame[:12] + bytes.fromhex("81000064") + frame[12:]


def ip(source: str, destination: str, protocol: int, payload: bytes, *, dscp: int = 0, **fields: int) -> bytes:
    """An IP packet of the addresses' family. ``df``, ``offset`` (bytes), ``more``, ``ttl``, ``label``."""
    if ":" in source:
        first = 6 << 28 | dscp << 22 | fields.get("label", 0)
        head = struct.pack("!IHBB", first, len(payload), protocol, fields.get("ttl", 64))
        return head + packed(source) + packed(destination) + payload
    flags = (0x4000 if fields.get("df", 1) else 0) | (0x2000 if fields.get("more") else 0)
    flags |= fields.get("offset", 0) // 8
    head = struct.pack("!BBHHHBB", 0x45, dscp << 2, 20 + len(payload), 0, flags, fields.get("ttl", 64), protocol)
    whole = head + b"\0\0" + packed(source) + packed(destination)
    return whole[:10] + checksum(whole) + whole[12:] + payload


def tcp(sport: int, dport: int, flags: int = ACK, payload: bytes = b"") -> bytes:
    return struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 5 << 4, flags, 0xFFFF, 0, 0) + payload


def udp(sport: int, dport: int, payload: bytes = b"") -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def icmp(kind: int, code: int, rest: bytes, payload: bytes) -> bytes:
    whole = bytes([kind, code, 0, 0]) + rest + payload
    return whole[:2] + checksum(whole) + whole[4:]


def icmp6(source: str, destination: str, kind: int, rest: bytes, payload: bytes) -> bytes:
    whole = bytes([kind, 0, 0, 0]) + rest + payload
    pseudo = packed(source) + packed(destination) + struct.pack("!II", len(whole), ICMPV6)
    return whole[:2] + checksum(pseudo + whole) + whole[4:]


def gue(inner: bytes, sport: int, hop: str | None = None, left: int = 1) -> bytes:
    """UDP to 6080, a GUE header, our private data if there is a second hop, and the packet."""
    private = b"" if hop is None else struct.pack("!HBB", 0x5467, left, 0) + packed(hop)
    protocol = IPV6 if inner[0] >> 4 == 6 else IPIP
    return udp(sport, 6080, struct.pack("!BBH", len(private) // 4, protocol, 0) + private + inner)


def checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
