"""Network interfaces, by name, in this process's network namespace."""

from __future__ import annotations

import json
import socket
import subprocess

from tidegate.host.errors import Failed

_SECONDS = 30


def index(name: str) -> int | None:
    """The interface's index, ``None`` if there is no such interface here."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


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
