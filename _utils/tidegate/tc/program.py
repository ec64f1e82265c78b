"""A program of ``tc.bpf.o`` on a hook of one interface's clsact, with its policy in maps of its own.

The policy is in two slots (``tidegate.bpf.slots``): a change fills the idle slot and flips, so a packet is judged by
the old policy or the new one and never by none. ``PINS/FOLDER/DEVICE/`` holds::

    v1/maps/…                 the maps, reused by every later program of that layout
    v1/program-DIGEST         the program that belongs there, by the digest of the object it came from

The programs answer TC_ACT_UNSPEC, not OK, to what they let pass: filters that others put behind them still run.
"""

from __future__ import annotations

import hashlib
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidegate.bpf import libbpf, pins
from tidegate.bpf.loader import MAPS_VERSION, load, pinned_maps
from tidegate.bpf.matcher import Tables
from tidegate.bpf.slots import Slots
from tidegate.host.device import index as device_index
from tidegate.host.errors import Failed
from tidegate.host.paths import paths
from tidegate.tc import clsact
from tidegate.tc.clsact import Point

OBJECT = "tc.bpf.o"
_FIRST = struct.pack("=I", 0)


@dataclass(frozen=True)
class Hook:
    """One program on one interface: its name in the object, its point, and the folder of pins for its kind."""

    device: str
    point: Point
    program: str
    folder: str

    @property
    def home(self) -> Path:
        """Where everything of it is pinned, of whatever version."""
        return paths().bpffs / self.folder / pins.name(self.device)

    @property
    def place(self) -> Path:
        """The same, of this version."""
        return self.home / MAPS_VERSION


def install(
    hook: Hook, binary: Path, table: Tables, marker: str, beside: Callable[[Mapping[str, int], int], None]
) -> None:
    """Have the program of ``binary`` run on the hook, on that policy.

    The maps are filled and flipped before the program is attached or replaced: it never runs on a policy that is not
    meant. What is right already is left alone. ``beside`` fills what the program has beyond ``table`` into a slot of
    its maps.
    """
    pins.ensure(hook.place / "maps", paths().bpffs)
    with load(binary, hook.place / "maps", [hook.program]) as loaded:
        slots = Slots(loaded.maps)
        slots.flip(slots.prepare(table, marker, lambda number: beside(loaded.maps, number)), None)
        libbpf.map_update(loaded.maps["bypass"], _FIRST, bytes(4))
        if not runs(hook, binary):
            _attach(hook, loaded.programs[hook.program], hook.place / _pin(binary))


def uninstall(hook: Hook) -> None:
    """Take the program away, and the clsact qdisc with it if it is ours and nobody else uses it."""
    if device_index(hook.device) is not None:
        clsact.detach(socket.if_nametoindex(hook.device), hook.point)
    clsact.release(hook.device)
    pins.remove(hook.home)


def flaw(hook: Hook, binary: Path, marker: str) -> str | None:
    """Why the hook is not as wanted, in words, or ``None`` if it is."""
    index = device_index(hook.device)
    if index is None:
        return "there is no such interface"
    if clsact.attached(index, hook.point) is None:
        return "not attached"
    if not runs(hook, binary):
        return "another program is attached in its place"
    if bypassed(hook):
        return "lets everything pass (bypass)"
    found = in_force(hook)
    return None if found == marker else f"holds {found or 'nothing'}, not {marker}"


def in_force(hook: Hook) -> str | None:
    """The marker of the policy in force."""
    with held(hook) as maps:
        if not maps:
            return None
        slots = Slots(maps)
        return slots.marker(slots.in_force)


def bypass(hook: Hook, wanted: bool) -> None:
    """Let all packets pass as if there were no policy, or judge them again; ``install`` judges again too."""
    with held(hook) as maps:
        if "bypass" in maps:
            libbpf.map_update(maps["bypass"], _FIRST, struct.pack("=I", wanted))


def bypassed(hook: Hook) -> bool:
    """Whether packets pass as if there were no policy."""
    with held(hook) as maps:
        return "bypass" in maps and libbpf.map_lookup(maps["bypass"], _FIRST, 4) != bytes(4)


@contextmanager
def held(hook: Hook) -> Iterator[dict[str, int]]:
    """The hook's maps by name; none if it has none."""
    with pinned_maps(hook.place / "maps") as maps:
        yield maps


def devices(folder: str) -> set[str]:
    """The devices that have, or once had, a program of that kind."""
    root = paths().bpffs / folder
    return {pins.device(path.name) for path in root.iterdir()} if root.is_dir() else set()


def runs(hook: Hook, binary: Path) -> bool:
    """Whether the program attached is the one pinned for this very object."""
    index, pin = device_index(hook.device), hook.place / _pin(binary)
    if index is None or not pin.exists():
        return False
    descriptor = libbpf.pinned(pin)
    try:
        return clsact.attached(index, hook.point) == int(libbpf.program_info(descriptor).id)
    finally:
        os.close(descriptor)


def _attach(hook: Hook, program: int, pin: Path) -> None:
    """Pin first: a filter without a pin would be a stranger to the next run, a pin without a filter is only stale."""
    clsact.ensure(hook.device)
    pin.unlink(missing_ok=True)
    libbpf.pin(program, pin)
    clsact.attach(socket.if_nametoindex(hook.device), program, hook.point)
    _forget_all_but(pin)


def _forget_all_but(pin: Path) -> None:
    """Unpin programs of other objects, and maps of other layouts."""
    for other in pin.parent.glob("program-*"):
        if other != pin:
            other.unlink()
    for other in pin.parent.parent.iterdir():
        if other != pin.parent:
            pins.remove(other)


def _pin(binary: Path) -> str:
    try:
        return f"program-{hashlib.sha256(binary.read_bytes()).hexdigest()[:16]}"
    except OSError as error:
        raise Failed(f"{OBJECT} cannot be read: {error}") from None
