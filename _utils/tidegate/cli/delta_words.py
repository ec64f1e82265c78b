"""Parts of a delta in a few words each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from tidegate.bpf.section import Matcher
from tidegate.cli.matcher_view import words
from tidegate.cli.tc_view import rate
from tidegate.release.delta.changes import Attributes, Edit
from tidegate.release.delta.space import ALL_V4, ALL_V6_64, Size, Space
from tidegate.release.delta.where import Where

MOST_NAMED = 3
"""Longer lists are cut, with the number of those left out."""

MATCHER_FIELDS = ("source", "destination", "protocol", "source_port", "destination_port", "dscp")
RATES = frozenset({"rate", "guarantee", "ceiling"})
FIELD_NAMES = {"import_": "import", "asn": "AS", "hold_time": "hold time", "local_pref": "local preference"}


def several(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """``a, b, c and 4 more``."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 host``, ``10,000 hosts``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def place(where: Where) -> str:
    """The hosts by name if it is one, else by what they have in common: ``all 400 hosts with pop lhr1``."""
    hosts = where.hosts
    if len(hosts) == 1:
        return hosts[0]
    labels = ", ".join(f"{label} {value}" for label, value in where.labels)
    among = f" with {labels}" if labels else ""
    if len(hosts) == where.of:
        return f"all {count(where.of, 'host')}{among}"
    pops = several(where.pops) if len(where.pops) <= MOST_NAMED else count(len(where.pops), "PoP")
    pops = f" in {pops}" if "pop" not in dict(where.labels) else ""
    return f"{len(hosts):,} of {count(where.of, 'host')}{among}{pops}"


def neighbors(where: Where, role: str) -> str:
    """Who is told, by name as long as they are few."""
    names = where.neighbors
    return several(names) if len(names) <= MOST_NAMED else f"{count(len(names), role)}"


def all_edits(found: Iterable[Edit], skip: Iterable[str] = ()) -> str:
    """Edits in a row."""
    return "; ".join(edit_words(edit) for edit in found if edit.field not in skip)


def edit_words(edit: Edit) -> str:
    """``hold time 90 → 30``, ``source +192.0.2.0/24``, ``import accept all → none``."""
    name = FIELD_NAMES.get(edit.field, edit.field.replace("_", " "))
    if isinstance(edit.before, dict) and isinstance(edit.after, dict):
        inner = sorted(key for key in edit.before.keys() | edit.after.keys())
        changed = [Edit(key, edit.before.get(key), edit.after.get(key)) for key in inner]
        return f"{name} " + ", ".join(edit_words(one) for one in changed if one.before != one.after)
    if edit.of_lists and edit.field != "order":
        parts = [f"{sign}{several(_items(items))}" for sign, items in (("+", edit.added), ("−", edit.removed)) if items]
        return f"{name} {' '.join(parts)}"
    spelt: Callable[[Any], str] = rate if edit.field in RATES else _value
    before, after = (value if value is None else spelt(value) for value in (edit.before, edit.after))
    return f"{name} {before or 'none'} → {after or 'none'}"


def _items(items: list[Any]) -> list[str]:
    return [_value(item) for item in items]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(one)}" for key, one in value.items() if one is not None)
    if isinstance(value, list):
        return several(_items(value)) if value else "nothing"
    return str(value)


def attributes(told: Attributes | None) -> str:
    """What goes with an announcement beyond the prefix."""
    if told is None:
        return ""
    parts = [f"prepend {told.prepend}"] if told.prepend else []
    parts += [f"med {told.med}"] if told.med is not None else []
    return ", ".join([*parts, *told.communities, *told.large_communities, *told.extended_communities])


def rule(edits: Iterable[Edit], *, earlier: bool = False) -> str:
    """The conditions of a rule that comes, or with ``earlier`` of one that goes."""
    values = {edit.field: edit.before if earlier else edit.after for edit in edits}
    return words(cast("Matcher", {field: values.get(field) for field in MATCHER_FIELDS}))


def space(one: Space | None) -> str:
    """How much a rule covers, by the ends it asks for."""
    ends = (("source", one.source), ("destination", one.destination)) if one else ()
    found = [f"{name} {size(found)}" for name, found in ends if found.v4 < ALL_V4 or found.v6 < ALL_V6_64]
    return ", ".join(found) or "any address"


def size(found: Size) -> str:
    """``512 IPv4 addresses and 65,536 IPv6 /64s``; a share where a number says little."""
    parts = []
    if found.v4:
        share = f" ({found.v4 / ALL_V4:.2%})" if found.v4 >= ALL_V4 / 10_000 else ""
        parts.append("all of IPv4" if found.v4 == ALL_V4 else count(found.v4, "IPv4 address", "IPv4 addresses") + share)
    if found.v6:
        parts.append("all of IPv6" if found.v6 == ALL_V6_64 else count(found.v6, "IPv6 /64"))
    return " and ".join(parts) or "nothing"
