"""Filter rules that come, go, change or change places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

from tidegate.release.delta.changes import Edit, RuleChange, RuleVerb, edits
from tidegate.release.delta.sides import Sides, alike
from tidegate.release.delta.space import Space
from tidegate.release.delta.where import Gathered, Labels
from tidegate.xdp.section import Rule

ORDER: tuple[RuleVerb, ...] = ("removed", "added", "changed", "reordered")


class Key(NamedTuple):
    """What makes changes of two hosts' rules alike."""

    verb: RuleVerb
    name: str
    action: str
    edits: tuple[Edit, ...]
    before: Space | None
    after: Space | None


def rules(changed: Iterable[Sides], labels: Labels) -> tuple[RuleChange, ...]:
    """The changes of all hosts, alike ones once."""
    gathered: Gathered[Key] = Gathered()
    for before, after, places in alike(changed, "xdp", "rules"):
        for key in _compared(before, after):
            gathered.add(key, *places)
    found = [RuleChange(*key, labels.where(places)) for key, places in gathered.items()]
    return tuple(sorted(found, key=lambda one: (ORDER.index(one.verb), one.name, one.where.places)))


def _compared(before: list[Rule], after: list[Rule]) -> Iterator[Key]:
    was, will = ({rule["name"]: rule for rule in rules} for rules in (before, after))
    for name in sorted(was.keys() | will.keys()):
        old, new = was.get(name), will.get(name)
        if old == new:
            continue
        some = new or old
        assert some is not None
        verb: RuleVerb = "added" if old is None else "removed" if new is None else "changed"
        yield Key(
            verb,
            name,
            some["action"],
            tuple(edits(cast("Any", old or {}), cast("Any", new or {}), frozenset({"name"}))),
            Space.of(old) if old else None,
            Space.of(new) if new else None,
        )
    yield from _order([rule["name"] for rule in before], [rule["name"] for rule in after])


def _order(before: list[str], after: list[str]) -> Iterator[Key]:
    """Rules that both sides have, where they stand in another order: the first that matches decides."""
    both = set(before) & set(after)
    was, will = ([name for name in names if name in both] for names in (before, after))
    if was != will:
        yield Key("reordered", "", "", (Edit("order", was, will),), None, None)
