"""A delta for a reviewer: what happens, where, and how much of it; alike changes once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.cli import delta_words as words
from tidegate.cli.tc_view import rate
from tidegate.release.delta import Delta
from tidegate.release.delta.changes import (
    Adjustment,
    Announcement,
    ClassChange,
    RuleChange,
    ServiceChange,
    SessionChange,
)

MOST_LINES = 20
"""Lines of one part; the rest is counted, and ``--json`` has it all."""

SIGNS = {
    "withdrawn": ("−", "red"),
    "removed": ("−", "red"),
    "announced": ("+", "green"),
    "added": ("+", "green"),
    "restarted": ("!", "yellow"),
}
OTHERWISE = ("~", "cyan")

Row = tuple[str, str, str, str]
"""Verb, what, how, where."""


def view(delta: Delta) -> RenderableType:
    """The delta, part by part; parts in which nothing changes are left out."""
    if not delta:
        return Text(f"Nothing changes on any of {words.count(delta.hosts.after, 'host')}.")
    parts = [
        ("Services", [_service(one) for one in delta.services]),
        ("Announcements", [_announcement(one) for one in delta.announcements]),
        ("Sessions", [_session(one) for one in delta.sessions]),
        ("Filter", [_rule(one) for one in delta.rules if not _with_its_host(delta, one)]),
        ("Shaping", [_class(one) for one in delta.classes if not _with_its_host(delta, one)]),
        ("Hosts", [_adjustment(one) for one in delta.adjustments]),
    ]
    return Group(*_head(delta), *(part for title, rows in parts if rows for part in _part(title, rows)))


def _with_its_host(delta: Delta, change: RuleChange | ClassChange) -> bool:
    """Whether a rule or class is new or gone only because its hosts are: to a reviewer of other changes it is noise."""
    hosts = delta.hosts
    whose = {"added": hosts.comes, "removed": hosts.goes}.get(change.verb)
    return whose is not None and bool(hosts.changed.places) and set(change.where.hosts) <= set(whose.hosts)


def _head(delta: Delta) -> Iterator[RenderableType]:
    hosts = delta.hosts
    counts = [
        f"{words.count(len(where.hosts), 'host')} {verb}"
        for where, verb in ((hosts.changed, "changed"), (hosts.comes, "new"), (hosts.goes, "gone"))
        if where.places
    ]
    yield Text(f"{', '.join(counts)}; {hosts.unchanged:,} unchanged", style="bold")
    for where, sign, style in ((hosts.comes, "+", "green"), (hosts.goes, "−", "red")):
        if where.places:
            yield Text(f"{sign} ", style=style).append(words.several(where.hosts, 6), style="default")


def _part(title: str, rows: Sequence[Row]) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, style="bold")
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    grid.add_column(no_wrap=True)
    for _ in range(2):
        grid.add_column(overflow="fold", ratio=None)
    for verb, what, how, where in rows[:MOST_LINES]:
        sign, style = SIGNS.get(verb, OTHERWISE)
        cell = Text(what).append(f"  {how}" if how else "", style="dim")
        grid.add_row(Text(f"{sign} {verb}", style=style), cell, Text(where))
    yield grid
    if len(rows) > MOST_LINES:
        yield Text(f"and {len(rows) - MOST_LINES:,} more: --json has them all", style="dim")


def _service(change: ServiceChange) -> Row:
    verb = "removed" if not change.appears else "added" if not change.vanishes else "moved"
    what = f"{change.service} {words.several(change.prefixes)}"
    ways = [
        f"{word} {words.several(pops)}"
        for word, pops in (("from", change.vanishes), ("to" if change.vanishes else "in", change.appears))
        if pops
    ]
    return verb, what, "", f"{' '.join(ways)}: {change.before:,} → {words.count(change.after, 'PoP')}"


def _announcement(change: Announcement) -> Row:
    what = f"{change.service} {words.several(change.prefixes)}"
    how = words.all_edits(change.edits) if change.edits else words.attributes(change.after)
    joint = "from" if change.verb == "withdrawn" else "to"
    return change.verb, what, how, f"{joint} {words.neighbors(change.where, change.role)}, {words.place(change.where)}"


def _session(change: SessionChange) -> Row:
    how = words.all_edits(change.edits) if change.verb not in ("added", "removed") else ""
    various = sorted({edit.field for _, own in change.own for edit in own})
    if various and not how:
        how = ", ".join(words.FIELD_NAMES.get(name, name.replace("_", " ")) for name in various)
        how = "" if change.verb in ("added", "removed") else f"{how}, each its own"
    return change.verb, words.neighbors(change.where, change.role), how, words.place(change.where)


def _rule(change: RuleChange) -> Row:
    where = words.place(change.where)
    if change.verb == "reordered":
        return change.verb, words.several(change.edits[0].after, 6), "", where
    if change.verb == "changed":
        grown = change.before != change.after
        covers = f"; covers {words.space(change.before)} → {words.space(change.after)}" if grown else ""
        return change.verb, change.name, words.all_edits(change.edits) + covers, where
    gone = change.verb == "removed"
    text = f"{change.action} {words.rule(change.edits, earlier=gone)}"
    covered = words.space(change.before if gone else change.after)
    return change.verb, change.name, f"{text}; covers {covered}", where


def _class(change: ClassChange) -> Row:
    what = f"{change.interface} {change.class_}".rstrip()
    shown = words.all_edits(change.edits, skip=("minor",))
    if change.verb != "changed":
        values = {edit.field: edit.before if change.verb == "removed" else edit.after for edit in change.edits}
        keys = ("rate", "guarantee", "ceiling")
        rates = [f"{key} {rate(values[key])}" for key in keys if values.get(key) is not None]
        shown = ", ".join(rates)
    return change.verb, what, shown, words.place(change.where)


def _adjustment(change: Adjustment) -> Row:
    return "changed", words.all_edits(change.edits), "", words.place(change.where)
