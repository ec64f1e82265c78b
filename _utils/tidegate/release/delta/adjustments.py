"""What changes on a host besides: labels, where the filter is attached, what it balances, BIRD taken over or let go."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from tidegate.balancing.changes import summaries
from tidegate.bird.section import Service
from tidegate.release.delta.changes import Adjustment, Edit, edits
from tidegate.release.delta.sides import Sides
from tidegate.release.delta.where import Gathered, Labels


class Key(NamedTuple):
    """What makes adjustments of two hosts alike."""

    edits: tuple[Edit, ...]


def adjustments(changed: Iterable[Sides], told: Collection[str], labels: Labels) -> tuple[Adjustment, ...]:
    """The rest of what differs, alike ones once.

    Args:
        changed: Hosts of both sides whose plans differ.
        told: Hosts of which something else is told already. Of the others every difference is, so that no changed
            host is passed over in silence.
    """
    gathered: Gathered[Key] = Gathered()
    for sides in changed:
        if sides.before is None or sides.after is None:
            continue
        before, after = sides.before.document, sides.after.document
        found = list(_known(before, after))
        if not found and sides.after.host not in told:
            found = list(_differences("", before, after))
        if found:
            gathered.add(Key(tuple(found)), sides.place())
    changes = [Adjustment(key.edits, labels.where(places)) for key, places in gathered.items()]
    return tuple(sorted(changes, key=lambda one: ([edit.field for edit in one.edits], one.where.places)))


def _known(before: Any, after: Any) -> Iterator[Edit]:
    yield from edits(before["labels"], after["labels"])
    managed = [document["bird"] is not None for document in (before, after)]
    if managed[0] != managed[1]:
        yield Edit("BIRD", *("managed" if one else "left alone" for one in managed))
    elif managed[0]:
        if before["bird"]["table"] != after["bird"]["table"]:
            yield Edit("table of service routes", before["bird"]["table"], after["bird"]["table"])
        yield from _checks(before["bird"]["services"], after["bird"]["services"])
    for edit in edits(_caches(before["bird"]), _caches(after["bird"])):
        yield Edit(f"RPKI cache {edit.field}", edit.before, edit.after)
    was, will = (
        {port["name"]: f"{port['device']}, {port['mode']}" for port in document["xdp"]["interfaces"]}
        for document in (before, after)
    )
    for edit in edits(was, will):
        yield Edit(f"filter on {edit.field}", edit.before, edit.after)
    for name, *both in summaries(before["xdp"].get("balancing"), after["xdp"].get("balancing")):
        yield Edit(f"balance {name}", *both)


def _checks(before: list[Service], after: list[Service]) -> Iterator[Edit]:
    """What changes for services that both sides announce: when a host withdraws them by itself."""
    was, will = ({service["name"]: _health(service) for service in side} for side in (before, after))
    for name in sorted(was.keys() & will.keys()):
        if was[name] != will[name]:
            yield Edit(f"checks of {name}", was[name], will[name])


def _health(service: Service) -> str:
    if "health" not in service:
        return "none"
    health = service["health"]
    checks = [
        f"{check['name']}: {check['kind']} {json.dumps(check['target'])} {json.dumps(check['expected'])} "
        f"every {check['interval']:g} s within {check['timeout']:g} s, rise {check['rise']}, fall {check['fall']}"
        for check in health["checks"]
    ]
    trouble = f"all down: {health['on_all_down']}, checker lost: {health['on_checker_loss']}"
    return "; ".join([*checks, f"hold {health['hold']:g} s", trouble])


def _caches(section: Any) -> dict[str, str]:
    """RPKI caches by name, each in a few words."""
    caches = (section or {}).get("caches", [])
    return {one["name"]: f"{one['address']} port {one['port']}, expires after {one['expire']} s" for one in caches}


def _differences(path: str, before: Any, after: Any) -> Iterator[Edit]:
    """The smallest mappings' fields that differ, by their dotted paths; lists as a whole."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield Edit(path, before, after)
        return
    for edit in edits(before, after, frozenset({"digest"})):
        yield from _differences(f"{path}.{edit.field}".lstrip("."), edit.before, edit.after)
