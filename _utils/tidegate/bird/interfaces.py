"""This host's interfaces and addresses, as far as planned sessions need them."""

from __future__ import annotations

from tidegate.bird.desired import Desired
from tidegate.host import device


def problems(planned: Desired) -> list[str]:
    """Sessions whose interface or own address this host does not have, one sentence each."""
    addresses = {own.partition("/")[0] for several in device.addresses().values() for own in several}
    found = []
    for session in planned.sessions:
        if session.device is not None and device.index(session.device) is None:
            found.append(f"neighbor {session.name}: this host has no interface {session.device}")
        elif session.local and session.local not in addresses:
            found.append(f"neighbor {session.name}: {session.local} is not an address of this host")
    return found
