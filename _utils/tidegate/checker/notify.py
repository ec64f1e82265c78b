"""Words to systemd: ready, still alive (``sd_notify(3)``). Without systemd nobody listens, and that is fine."""

from __future__ import annotations

import os
import socket


def tell(state: str) -> None:
    """Send ``READY=1``, ``WATCHDOG=1`` or the like to whom ``NOTIFY_SOCKET`` names."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        try:
            connection.sendto(state.encode(), address)
        except OSError:
            return
