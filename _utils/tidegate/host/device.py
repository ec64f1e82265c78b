"""Network interfaces, by name, in this process's network namespace."""

from __future__ import annotations

import socket


def index(name: str) -> int | None:
    """The interface's index, ``None`` if there is no such interface here."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None
