"""The classifier of one interface: a BPF program on clsact egress that says which class a packet belongs to.

Its policy is in maps of its own, pinned per device, in two slots (``tidegate.bpf.slots``): a change fills the idle slot
and flips, so a packet is classified by the old policy or the new one and never by none. ``PINS/tc/DEVICE/`` holds::

    v1/maps/…                 the maps, reused by every later program of that layout
    v1/program-DIGEST         the program that belongs there, by the digest of the object it came from

The program answers TC_ACT_UNSPEC, not OK: filters that others put behind it still run.
"""

from __future__ import annotations

import hashlib
import os
import socket
import struct
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from tidegate.bpf import libbpf, pins
from tidegate.bpf.loader import MAPS_VERSION, load, pinned_maps
from tidegate.bpf.matcher import Entry, Tables, tables
from tidegate.bpf.slots import Slots
from tidegate.host.device import index as device_index
from tidegate.host.errors import Failed, Refused
from tidegate.host.paths import paths
from tidegate.tc import clsact
from tidegate.tc import tables as extra
from tidegate.tc.section import ClassMatcher
from tidegate.tc.tree import MAJOR, Tree

OBJECT = "tc.bpf.o"
PROGRAM = "tidegate_tc"
_FIRST = struct.pack("=I", 0)


def table(tree: Tree) -> Tables:
    """What the program looks packets up in.

    Raises:
        Refused: The tree has more matchers than it takes, or asks for an interface that is not there.
    """
    return tables(
        [
            Entry(each.match, _class(each.minor) if each.minor else 0, devices=_sources(each.match))
            for each in tree.entries
        ],
        fallback=_class(tree.default),
    )


def install(tree: Tree, binary: Path) -> None:
    """Have the device's packets classified as the tree says, by the program in ``binary``.

    The maps are filled and flipped before the program is attached or replaced: it never runs on a policy that is not
    meant. What is right already is left alone.
    """
    place = _place(tree.device)
    pins.ensure(place / "maps", paths().bpffs)
    with load(binary, place / "maps") as loaded:
        slots = Slots(loaded.maps)
        beside = partial(extra.fill, loaded.maps, wanted=extra.extras(tree))
        slots.flip(slots.prepare(table(tree), tree.marker, beside), None)
        libbpf.map_update(loaded.maps["bypass"], _FIRST, bytes(4))
        if not _runs(tree.device, binary):
            _attach(tree.device, loaded.programs[PROGRAM], place / _program(binary))


def uninstall(device: str) -> None:
    """Take the classifier away, and the clsact qdisc with it if it is ours and nobody else uses it."""
    home = _home(device)
    if device_index(device) is not None:
        clsact.detach(socket.if_nametoindex(device))
    clsact.release(device)
    pins.remove(home)


def flaw(tree: Tree, binary: Path) -> str | None:
    """Why the classifier is not as the tree says, in words, or ``None`` if it is."""
    index = device_index(tree.device)
    if index is None:
        return "there is no such interface"
    if clsact.attached(index) is None:
        return f"not attached ({len(tree.entries)} matchers)"
    if not _runs(tree.device, binary):
        return "another program is attached in its place"
    if bypassed(tree.device):
        return "lets everything pass unshaped (bypass)"
    found = marker(tree.device)
    if found != tree.marker:
        return f"holds {found or 'nothing'}, not {tree.marker}"
    return _stale(tree) if any("from_devices" in each.match for each in tree.entries) else None


def marker(device: str) -> str | None:
    """The marker of the policy in force on a device."""
    with pinned_maps(_place(device) / "maps") as maps:
        if not maps:
            return None
        slots = Slots(maps)
        return slots.marker(slots.in_force)


def bypass(device: str, wanted: bool) -> None:
    """Let all packets pass unshaped, beside the tree, or classify them again; ``install`` classifies again too."""
    with pinned_maps(_place(device) / "maps") as maps:
        if "bypass" in maps:
            libbpf.map_update(maps["bypass"], _FIRST, struct.pack("=I", wanted))


def bypassed(device: str) -> bool:
    """Whether packets pass beside the tree."""
    with pinned_maps(_place(device) / "maps") as maps:
        return "bypass" in maps and libbpf.map_lookup(maps["bypass"], _FIRST, 4) != bytes(4)


def devices() -> set[str]:
    """The devices that have, or once had, a classifier of ours."""
    root = paths().bpffs / "tc"
    return {unquote(path.name) for path in root.iterdir()} if root.is_dir() else set()


def _sources(match: ClassMatcher) -> frozenset[int] | None:
    """The numbers of the interfaces that packets must have come in by; ``None`` for any, and for the host's own."""
    if "from_devices" not in match:
        return None
    found = {name: device_index(name) for name in match["from_devices"]}
    if missing := sorted(name for name, number in found.items() if number is None):
        raise Refused(f"interface {missing[0]} is not there, by which packets of a class are to come in")
    return frozenset(number for number in found.values() if number is not None)


def _stale(tree: Tree) -> str | None:
    """An interface that went and came back has another number, of which a marker knows nothing."""
    try:
        wanted = table(tree)
    except Refused as error:
        return str(error)
    with pinned_maps(_place(tree.device) / "maps") as maps:
        return None if Slots(maps).holds(wanted, tree.marker) else "knows an interface by a number it no longer has"


def _attach(device: str, program: int, pin: Path) -> None:
    """Pin first: a filter without a pin would be a stranger to the next run, a pin without a filter is only stale."""
    clsact.ensure(device)
    pin.unlink(missing_ok=True)
    libbpf.pin(program, pin)
    clsact.attach(socket.if_nametoindex(device), program)
    _forget_all_but(pin)


def _forget_all_but(pin: Path) -> None:
    """Unpin programs of other objects, and maps of other layouts."""
    for other in pin.parent.glob("program-*"):
        if other != pin:
            other.unlink()
    for other in pin.parent.parent.iterdir():
        if other != pin.parent:
            pins.remove(other)


def _runs(device: str, binary: Path) -> bool:
    """Whether the program attached to the device is the one pinned for this very object."""
    index, pin = device_index(device), _place(device) / _program(binary)
    if index is None or not pin.exists():
        return False
    descriptor = libbpf.pinned(pin)
    try:
        return clsact.attached(index) == int(libbpf.program_info(descriptor).id)
    finally:
        os.close(descriptor)


def _class(minor: int) -> int:
    """What HTB reads in ``skb->priority``: the class id."""
    return MAJOR << 16 | minor


def _program(binary: Path) -> str:
    try:
        return f"program-{hashlib.sha256(binary.read_bytes()).hexdigest()[:16]}"
    except OSError as error:
        raise Failed(f"the classifier's object cannot be read: {error}") from None


def _home(device: str) -> Path:
    return paths().bpffs / "tc" / pins.name(device)


def _place(device: str) -> Path:
    return _home(device) / MAPS_VERSION
