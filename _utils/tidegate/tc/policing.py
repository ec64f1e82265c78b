"""The policers on this host: a program on clsact ingress, its classes' rates, buckets and counters.

An interface's buckets and counters are kept by class id as long as a slot names the class: through flips, new programs
and restarts.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tidegate.bpf import libbpf
from tidegate.bpf.slots import Slots
from tidegate.host.device import index
from tidegate.host.errors import Failed, Refused, TidegateError
from tidegate.host.paths import paths
from tidegate.tc import command, police_table, policer, program
from tidegate.tc import tables as extra
from tidegate.tc.clsact import Point
from tidegate.tc.police_table import Policing
from tidegate.tc.policer import Policer
from tidegate.tc.program import Hook

PROGRAM, FOLDER = "tidegate_police", "police"
SUFFIX = " in"
"""Behind a device's name, what its policer is called: the device may have a tree for what it sends."""
PROBE = ["qdisc add dev lo clsact", "filter add dev lo ingress bpf bytecode '1,6 0 0 4294967295,' direct-action"]
"""What the kernel must be able to do: clsact, and BPF filters (this one says TC_ACT_UNSPEC to everything)."""
_KEY = struct.Struct("=I")
_BUCKETS, _COUNT = struct.Struct("=QQ"), struct.Struct("=QQQQ")


class Policed(NamedTuple):
    """What became of a class's packets, over all CPUs, since it was made; headers are counted as on the wire."""

    bytes: int
    packets: int
    dropped_bytes: int
    drops: int


def hook(device: str) -> Hook:
    """Where a device's policer runs."""
    return Hook(device, Point.INGRESS, PROGRAM, FOLDER)


def install(wanted: Policer, binary: Path) -> None:
    """Have what comes in at the device policed, by the program in ``binary``."""
    table = police_table.lookup(wanted)
    beside = partial(_fill, choices=extra.extras(wanted), rates=police_table.policing(wanted))
    program.install(hook(wanted.device), binary, table, wanted.marker, beside)


def uninstall(device: str) -> None:
    """Let what comes in pass again."""
    program.uninstall(hook(device))


def lines(wanted: Policer, binary: Path) -> list[str]:
    """What differs on one interface, a line each; nothing if all is as wanted."""
    told = list(police_table.differences(wanted, in_force(wanted.device), _known_names(wanted.device)))
    flaw = program.flaw(hook(wanted.device), binary, wanted.marker)
    return [*told, *([f"~ {wanted.device} policer: {flaw}"] if flaw else [])]


def bring(wanted: Policer, binary: Path) -> None:
    """Have one interface policed as wanted, and read it back.

    Raises:
        Refused: the interface is not there.
        Failed: with what still differs after it was written.
    """
    if index(wanted.device) is None:
        raise Refused(f"interface {wanted.device} is not there")
    if lines(wanted, binary):
        install(wanted, binary)
    if left := lines(wanted, binary):
        raise Failed("this still differs after it was written: " + "; ".join(left))


def in_force(device: str) -> Policing | None:
    """The rates in force, as the kernel has them."""
    with program.held(hook(device)) as maps:
        if "policings" not in maps:
            return None
        slots = Slots(maps)
        if slots.marker(slots.in_force) is None:
            return None
        value = libbpf.map_lookup(maps["policings"], _KEY.pack(slots.in_force), ctypes.sizeof(Policing))
        return Policing.from_buffer_copy(value) if value else None


def counts(wanted: Policer) -> dict[str, Policed]:
    """What became of each class's packets, by name; a class that the kernel does not count is left out."""
    with program.held(hook(wanted.device)) as maps:
        found = {each.name: _count(maps, each.minor) for each in wanted.classes} if maps else {}
    return {name: count for name, count in found.items() if count is not None}


def devices() -> set[str]:
    """The devices that have, or once had, a policer of ours."""
    return program.devices(FOLDER)


def lacking(wanted: Sequence[Policer]) -> list[str]:
    """Why this host cannot have these policers."""
    found = [
        f"interface {each.device} is not there, whose incoming packets are to be policed"
        for each in wanted
        if index(each.device) is None
    ]
    if wanted and (refusal := command.try_in_empty_namespace(PROBE)):
        found.append(f"the kernel cannot police: {refusal}")
    for each in wanted:
        try:
            _ = police_table.lookup(each).prefixes
            police_table.policing(each)
            extra.extras(each)
        except TidegateError as error:
            found.append(str(error))
    return found


def _fill(maps: Mapping[str, int], number: int, choices: extra.Extras, rates: Policing) -> None:
    """Write what is beyond the entries into the slot ``number``, which must not be in force."""
    extra.fill(maps, number, wanted=choices)
    libbpf.map_update(maps["policings"], _KEY.pack(number), bytes(rates))
    other = libbpf.map_lookup(maps["policings"], _KEY.pack(1 - number), ctypes.sizeof(Policing))
    kept = _minors(rates) | (_minors(Policing.from_buffer_copy(other)) if other else set())
    for table, empty in (("class_buckets", _BUCKETS.size), ("policed_counts", _COUNT.size * libbpf.possible_cpus())):
        there = {_KEY.unpack(key)[0] for key in libbpf.map_keys(maps[table], _KEY.size)}
        for minor in there - kept:
            libbpf.map_delete(maps[table], _KEY.pack(minor))
        for minor in kept - there:
            libbpf.map_update(maps[table], _KEY.pack(minor), bytes(empty))


def _minors(rates: Policing) -> set[int]:
    return {int(each.minor) for each in rates.classes if each.minor}


def _count(maps: Mapping[str, int], minor: int) -> Policed | None:
    value = libbpf.map_lookup(maps["policed_counts"], _KEY.pack(minor), _COUNT.size * libbpf.possible_cpus())
    if value is None:
        return None
    packets, size, drops, dropped = (sum(field) for field in zip(*_COUNT.iter_unpack(value), strict=True))
    return Policed(size, packets, dropped, drops)


def _known_names(device: str) -> dict[int, str]:
    """Names in the generation applied last, to call by name what goes; they decide nothing."""
    try:
        found = policer.load(paths().state / "running")
    except Refused:
        return {}
    return {each.minor: each.name for one in found if one.device == device for each in one.classes}
