"""Network interfaces, by name, in this process's network namespace."""

from __future__ import annotations

import ctypes
import fcntl
import json
import socket
import struct
import subprocess

from tidegate.host.errors import Failed

_SECONDS = 30
_SIOCETHTOOL, _GET_SETTINGS = 0x8946, 0x00000001


def index(name: str) -> int | None:
    """The interface's index, ``None`` if there is no such interface here."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


def speed(name: str) -> int | None:
    """The speed at which the interface's link runs, in bit/s; ``None`` if nobody knows, or there is no such interface.

    Asked by ioctl (``ETHTOOL_GSET``, linux/ethtool.h), because /sys may show another network namespace's interfaces.
    """
    asked = ctypes.create_string_buffer(struct.pack("=I40x", _GET_SETTINGS))
    request = struct.pack("16sP16x", name.encode()[:15], ctypes.addressof(asked))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            fcntl.ioctl(any_socket, _SIOCETHTOOL, request)
        except OSError:
            return None
    low, high = struct.unpack_from("=H", asked, 12)[0], struct.unpack_from("=H", asked, 28)[0]
    megabits = high << 16 | low
    return None if megabits in (0, 0xFFFF, 0xFFFFFFFF) else megabits * 1_000_000


def addresses() -> dict[str, list[str]]:
    """Addresses with their prefix lengths by device, as ``ip address`` has them."""
    try:
        done = subprocess.run(
            ["ip", "-json", "address", "show"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"ip address show: no answer within {_SECONDS} s") from error
    if done.returncode:
        raise Failed(f"ip address show: {done.stderr.strip()}")
    return {
        link["ifname"]: [f"{one['local']}/{one['prefixlen']}" for one in link.get("addr_info", []) if "local" in one]
        for link in json.loads(done.stdout)
        if "ifname" in link
    }
