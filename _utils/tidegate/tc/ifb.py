"""What comes in is shaped on its way out of a device of its own: an ifb, to which a filter on arrival redirects it.

An interface has one, ``tgi-DEVICE``, which says so in its alias; it has a tree like any other. The filter is the last
on the interface's clsact ingress, so those of others see every packet before. It takes all packets, of any kind.

A redirect to a device that is gone drops every packet, so the ifb is made before the filter and removed behind it, and
which interfaces have such a filter is noted among the pins, where it is found even if a hand has taken the ifb away.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from tidegate.bpf import pins
from tidegate.host.device import index
from tidegate.host.paths import paths
from tidegate.tc import clsact, command
from tidegate.tc.tree import Tree

PRIORITY = 0xFFF0
_IFB, _ALIAS = "tgi-", "tidegate: comes in at "
_LONGEST = 15
"""Characters of a device's name (``IFNAMSIZ`` without the end)."""
_QUEUE = 1000
"""Packets, as Ethernet has; an ifb is made with 32, and a class's plain queue is as long as its device's."""
KIND = "ifb"
EVERY = "bpf bytecode '1,6 0 0 4294967295,'"
_TARGET = re.compile(
    rf"^filter .*pref {PRIORITY} bpf .*handle 0x1 .*\n(?:.*\n)*?.*Redirect to device (\S+)\)", re.MULTILINE
)
PROBE = [
    "qdisc add dev lo clsact",
    f"filter add dev lo ingress pref {PRIORITY} handle 1 protocol all {EVERY} action mirred egress redirect dev lo",
]
"""What the kernel must be able to do beside making an ifb."""


def ifb_of(device: str) -> str:
    """The ifb of an interface: its name with a prefix, or a digest of it where that would be too long."""
    plain = f"{_IFB}{device}"
    return plain if len(plain) <= _LONGEST else f"{_IFB}{hashlib.sha256(device.encode()).hexdigest()[:8]}"


def origin(name: str) -> str | None:
    """The interface whose packets an ifb of ours is for, be the ifb there or not; ``None`` if it is none of ours."""
    return next((device for device in devices() if ifb_of(device) == name), None)


def devices() -> set[str]:
    """The interfaces that have an ifb, or a redirect to one."""
    found = {link["ifalias"].removeprefix(_ALIAS) for link in _links() if _ours(link)} if command.available() else set()
    notes = paths().bpffs / "inbound"
    return found | ({pins.device(path.name) for path in notes.iterdir()} if notes.is_dir() else set())


def obstacle(tree: Tree) -> str | None:
    """Why the tree cannot have its ifb: another device has that name, or another owner."""
    if index(tree.device) is None:
        return None
    link = next((each for each in _links() if each["ifname"] == tree.device), None)
    if link is None:
        return f"{tree.device} is a device of another kind than ifb, which is left as it is"
    if link.get("ifalias") != _ALIAS + tree.inbound and not tree.adopt:
        return f"{tree.device} is somebody else's ifb, which is left as it is (adopt: true takes it over)"
    return None


def lacking() -> str | None:
    """Why this kernel cannot shape what comes in; ``None`` if it can."""
    return command.try_link_in_empty_namespace(KIND) or command.try_in_empty_namespace(PROBE)


def flaw(tree: Tree) -> str | None:
    """Why packets that come in do not go to the tree, in words; ``None`` if they do."""
    link = next((each for each in _links() if each["ifname"] == tree.device), None)
    if link is None:
        return "there is no ifb"
    if not _ours(link):
        return "the ifb is somebody else's"
    if "UP" not in link["flags"]:
        return "the ifb is down"
    target = redirected(tree.inbound)
    if target != tree.device:
        return f"packets go to {target}" if target else "packets pass by"
    return None


def redirected(device: str) -> str | None:
    """Where our filter sends what comes in at a device: ``*`` is a device that is gone."""
    if not clsact.exists(device):
        return None
    matched = _TARGET.search(command.show("filter", "show", "dev", device, "ingress"))
    return matched[1] if matched else None


def ensure(tree: Tree) -> None:
    """Have the ifb, up and called ours; nobody is sent there yet."""
    if index(tree.device) is None:
        command.ip("link", "add", "name", tree.device, "txqueuelen", str(_QUEUE), "type", KIND)
    command.ip("link", "set", "dev", tree.device, "alias", _ALIAS + tree.inbound, "up")


def redirect(tree: Tree) -> None:
    """Send what comes in to the ifb; a filter of ours that sends it elsewhere is replaced in one step."""
    note = _note(tree.inbound)
    pins.ensure(note, paths().bpffs)
    clsact.ensure(tree.inbound)
    words = f"{EVERY} action mirred egress redirect dev {tree.device}"
    command.batch([f"filter replace dev {tree.inbound} ingress pref {PRIORITY} handle 1 protocol all {words}"])


def release(device: str) -> None:
    """Let what comes in at a device go its own way again."""
    if index(device) is not None and redirected(device) is not None:
        command.batch([f"filter del dev {device} ingress pref {PRIORITY}"])
    pins.remove(_note(device))
    clsact.release(device)


def remove(name: str) -> None:
    """Take the ifb away, with all that waits in it."""
    if any(_ours(link) for link in _links() if link["ifname"] == name):
        command.ip("link", "delete", "dev", name)


def _links() -> list[dict[str, Any]]:
    """Every ifb; iproute2 6.1 shows an empty object for each device of another kind."""
    return [link for link in json.loads(command.ip("-j", "link", "show", "type", "ifb") or "[]") if "ifname" in link]


def _ours(link: dict[str, Any]) -> bool:
    alias = str(link.get("ifalias", ""))
    return alias.startswith(_ALIAS) and ifb_of(alias.removeprefix(_ALIAS)) == link["ifname"]


def _note(device: str) -> Path:
    return paths().bpffs / "inbound" / pins.name(device)
