"""What a driver can do with XDP, asked of the kernel over generic netlink (family ``netdev``, Linux 6.3 and later)."""

from __future__ import annotations

import socket
import struct
from enum import IntFlag

_NETLINK_GENERIC = 16
_REQUEST = 1
_ERROR = 2
_CONTROLLER, _GETFAMILY, _FAMILY_ID, _FAMILY_NAME = 0x10, 3, 1, 2
_DEV_GET, _DEV_IFINDEX, _DEV_XDP_FEATURES = 1, 1, 3
_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF


class Features(IntFlag):
    """``enum netdev_xdp_act``, the part that matters here."""

    BASIC = 1
    """Native mode: pass, drop, abort, transmit."""
    MULTI_BUFFER = 32
    """Packets that take more than one page."""


def features(ifindex: int) -> Features | None:
    """What the interface's driver can do in native mode; ``None`` if this kernel does not tell."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC) as netlink:
            netlink.bind((0, 0))
            name = _ask(netlink, _CONTROLLER, _GETFAMILY, _FAMILY_NAME, b"netdev\0")
            family = struct.unpack("=H", name[_FAMILY_ID][:2])[0]
            answer = _ask(netlink, family, _DEV_GET, _DEV_IFINDEX, struct.pack("=I", ifindex))
            return Features(struct.unpack("=Q", answer[_DEV_XDP_FEATURES][:8])[0])
    except (OSError, KeyError):
        return None


def _ask(netlink: socket.socket, family: int, command: int, kind: int, value: bytes) -> dict[int, bytes]:
    """One question with one attribute; the attributes of the answer by type. ``OSError`` if the kernel has none."""
    body = _GENERIC.pack(command, 1, 0) + _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value
    body = body.ljust(-(-len(body) // 4) * 4, b"\0")
    netlink.send(_HEADER.pack(_HEADER.size + len(body), family, _REQUEST, 0, 0) + body)
    answer = netlink.recv(65536)
    length, message, _, _, _ = _HEADER.unpack_from(answer)
    if message == _ERROR:
        raise OSError(-struct.unpack_from("=i", answer, _HEADER.size)[0], "generic netlink")
    return _attributes(answer[_HEADER.size + _GENERIC.size : length])


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE_MASK] = data[at + _ATTRIBUTE.size : at + length]
        at += -(-length // 4) * 4
    return found
