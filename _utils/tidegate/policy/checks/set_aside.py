"""Names in entries that do not fit the schema: the entry is out of all other checks, what it refers to is still known.

A host with a wrong router id may also stand in a PoP that there is not; both are told in one run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.policy.errors import KeyPath, Problem, suggest
from tidegate.policy.selectors import is_glob
from tidegate.policy.validation import COLLECTIONS, Draft

Reference = tuple[KeyPath, Any, set[str], str]
"""Where, what is written there (one name or several), the names there are, and what such a name is called."""


def check(draft: Draft) -> Iterator[Problem]:
    """Dangling names in the entries that were taken out, with paths as they were written."""
    for path, entry in _taken_out(draft):
        for where, written, known, noun in _references(draft, path, entry):
            for name in written if isinstance(written, list) else [written]:
                if isinstance(name, str) and name not in known and not is_glob(name) and "/" not in name:
                    yield Problem(f"no such {noun}", where, name, f"a {noun} of the policy", suggest(name, known))


def _taken_out(draft: Draft) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    for collection in COLLECTIONS:
        if collection not in draft.incomplete:
            continue
        written: Any = draft.data
        for key in collection:
            written = written.get(key) if isinstance(written, Mapping) else None
        kept = set(draft.positions.get(collection, ())) if isinstance(written, list) else _kept(draft, collection)
        for key, entry in _items(written):
            if key not in kept and isinstance(entry, Mapping):
                yield (*collection, key), entry


def _kept(draft: Draft, collection: KeyPath) -> set[str]:
    part: Any = draft.policy
    for key in collection:
        part = getattr(part, str(key), None)
    return set(part or ())


def _items(written: Any) -> list[tuple[int | str, Any]]:
    if isinstance(written, Mapping):
        return [(str(key), entry) for key, entry in written.items()]
    return list(enumerate(written)) if isinstance(written, list) else []


def _references(draft: Draft, path: KeyPath, entry: Mapping[str, Any]) -> Iterator[Reference]:
    services = draft.names("routing", "services")
    aggregates = draft.names("routing", "aggregates")
    targets = services | draft.names("filtering", "sets")
    if path[:2] == ("fleet", "hosts"):
        yield (*path, "pop"), entry.get("pop"), draft.pops, "PoP"
    if path[:2] == ("routing", "announcements"):
        yield (*path, "service"), entry.get("service"), services | aggregates, "service"
    if path[:2] == ("filtering", "rules"):
        for end in ("source", "destination"):
            yield (*path, end), entry.get(end), targets, "set or service"
    match = entry.get("match")
    if isinstance(match, Mapping):
        yield (*path, "match", "pop"), match.get("pop"), draft.pops, "PoP"
        yield (*path, "match", "region"), match.get("region"), draft.names("fleet", "regions"), "region"
        yield (*path, "match", "host"), match.get("host"), draft.names("fleet", "hosts"), "host"
