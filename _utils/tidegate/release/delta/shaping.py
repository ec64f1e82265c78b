"""Shaping trees and classes that come, go, or have other rates and matches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

from tidegate.release.delta.changes import ClassChange, ClassVerb, Edit, edits
from tidegate.release.delta.sides import Sides, alike
from tidegate.release.delta.where import Gathered, Labels
from tidegate.tc.section import ShapedInterface

ORDER: tuple[ClassVerb, ...] = ("removed", "added", "changed")
CLASSES = frozenset({"classes", "name"})


class Key(NamedTuple):
    """What makes changes of two hosts' classes alike."""

    verb: ClassVerb
    interface: str
    class_: str
    edits: tuple[Edit, ...]


def classes(changed: Iterable[Sides], labels: Labels) -> tuple[ClassChange, ...]:
    """The changes of all hosts, alike ones once."""
    gathered: Gathered[Key] = Gathered()
    for before, after, places in alike(changed, "tc", "interfaces"):
        for key in _compared(before, after):
            gathered.add(key, *places)
    found = [ClassChange(*key, labels.where(places)) for key, places in gathered.items()]
    return tuple(sorted(found, key=lambda one: (ORDER.index(one.verb), one.interface, one.class_, one.where.places)))


def _compared(before: list[ShapedInterface], after: list[ShapedInterface]) -> Iterator[Key]:
    was, will = ({interface["name"]: interface for interface in interfaces} for interfaces in (before, after))
    for name in sorted(was.keys() | will.keys()):
        yield from _tree(name, was.get(name), will.get(name))


def _tree(name: str, old: ShapedInterface | None, new: ShapedInterface | None) -> Iterator[Key]:
    found = _edits(old, new, CLASSES)
    if found:
        yield Key(_verb(old, new), name, "", found)
    was, will = ({one["name"]: one for one in (tree["classes"] if tree else [])} for tree in (old, new))
    for class_ in sorted(was.keys() | will.keys()):
        found = _edits(was.get(class_), will.get(class_), frozenset({"name"}))
        if found:
            yield Key(_verb(was.get(class_), will.get(class_)), name, class_, found)


def _edits(old: Any, new: Any, without: frozenset[str]) -> tuple[Edit, ...]:
    return tuple(edits(cast("Any", old or {}), cast("Any", new or {}), without))


def _verb(old: object, new: object) -> ClassVerb:
    return "added" if old is None else "removed" if new is None else "changed"
