"""The classifier of one interface: a program on clsact egress that says which class a packet belongs to."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tidegate.bpf.matcher import Entry, Tables, tables
from tidegate.bpf.slots import Slots
from tidegate.host.device import index as device_index
from tidegate.host.errors import Refused
from tidegate.tc import program
from tidegate.tc import tables as extra
from tidegate.tc.clsact import Point
from tidegate.tc.program import Hook
from tidegate.tc.section import ClassMatcher
from tidegate.tc.tree import MAJOR, Tree

PROGRAM, FOLDER = "tidegate_tc", "tc"


def hook(device: str) -> Hook:
    """Where a device's classifier runs."""
    return Hook(device, Point.EGRESS, PROGRAM, FOLDER)


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
    """Have the device's packets classified as the tree says, by the program in ``binary``."""
    beside = partial(extra.fill, wanted=extra.extras(tree, queued=bool(tree.queues)))
    program.install(hook(tree.device), binary, table(tree), tree.marker, beside)


def uninstall(device: str) -> None:
    """Take the classifier away."""
    program.uninstall(hook(device))


def flaw(tree: Tree, binary: Path) -> str | None:
    """Why the classifier is not as the tree says, in words, or ``None`` if it is."""
    found = program.flaw(hook(tree.device), binary, tree.marker)
    if found or not any("from_devices" in each.match for each in tree.entries):
        return found
    return _stale(tree)


def marker(device: str) -> str | None:
    """The marker of the policy in force on a device."""
    return program.in_force(hook(device))


def bypass(device: str, wanted: bool) -> None:
    """Let all packets pass unshaped, beside the tree, or classify them again; ``install`` classifies again too."""
    program.bypass(hook(device), wanted)


def devices() -> set[str]:
    """The devices that have, or once had, a classifier of ours."""
    return program.devices(FOLDER)


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
    with program.held(hook(tree.device)) as maps:
        return None if Slots(maps).holds(wanted, tree.marker) else "knows an interface by a number it no longer has"


def _class(minor: int) -> int:
    """What HTB reads in ``skb->priority``: the class id, whose upper half says the queue as well."""
    return (MAJOR << 16) + minor
