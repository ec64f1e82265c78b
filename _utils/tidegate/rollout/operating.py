"""What people do to running hosts beside releases, with names checked against what there is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from tidegate.host.errors import Refused
from tidegate.policy.durations import EXAMPLES, seconds
from tidegate.policy.errors import suggest
from tidegate.release.operations import Kind, Operation, Operations
from tidegate.release.store import Store

LASTS = timedelta(days=366)
"""What lasts longer is part of the policy."""


@dataclass(frozen=True)
class Known:
    """Names that there are, by label, in the newest release.

    Attributes:
        values: Label → its values.
        labels: Host → its PoP and region.
    """

    values: Mapping[str, frozenset[str]]
    labels: Mapping[str, Mapping[str, str]]

    def hosts(self, target: Mapping[str, str]) -> list[str]:
        """The hosts whose labels a target names, sorted; of a service or a neighbor alone, all of them."""
        wanted = {label: value for label, value in target.items() if label in ("host", "pop", "region")}
        return sorted(
            host
            for host, labels in self.labels.items()
            if all(labels[label] == value for label, value in wanted.items())
        )


def known(store: Store) -> Known:
    """What the newest release knows.

    Raises:
        Refused: There is no release yet.
    """
    newest = store.newest()
    if newest is None:
        raise Refused("There is no release yet: hosts then have the policy as it is, and operations no effect.")
    policy = json.loads(store.policy(newest))
    region_of = {pop: name for name, region in policy["fleet"]["regions"].items() for pop in region["pops"]}
    hosts = policy["fleet"]["hosts"]
    routing = policy.get("routing") or {}
    labels = {
        name: {"host": name, "pop": host["pop"], "region": region_of.get(host["pop"], "")}
        for name, host in hosts.items()
    }
    return Known(
        {
            "host": frozenset(hosts),
            "pop": frozenset(region_of),
            "region": frozenset(region_of.values()),
            "service": frozenset(routing.get("services") or ()),
            "balanced": frozenset((policy.get("balancing") or {}).get("services") or ()),
            "neighbor": frozenset(routing.get("neighbors") or ()),
        },
        labels,
    )


def begin(
    store: Store,
    kind: Kind,
    target: Mapping[str, str],
    settings: Mapping[str, Any],
    *,
    who: str,
    why: str,
    lasts: str | None = None,
) -> tuple[Operation, list[str]]:
    """Begin an operation, and say which hosts it is about.

    Args:
        store: Where it is kept.
        kind: What it is.
        target: Label → value; all have to fit.
        settings: As `Operations.add` has them.
        who: The person who asks.
        why: The reason that person gives.
        lasts: A duration after which it ends by itself.

    Raises:
        Refused: It makes no sense, or names what there is not.
    """
    there = known(store)
    for label, value in target.items():
        names = there.values.get("balanced" if kind == "weight" and label == "service" else label, frozenset[str]())
        if names and value not in names:
            raise Refused(f"There is no {label} '{value}' in the newest release. {suggest(value, names)}".rstrip())
    hosts = there.hosts(target)
    if target and not hosts:
        raise Refused(f"No host is {in_words(target)}: nothing would come of it.")
    return Operations(store).add(kind, target, settings, who=who, why=why, until=ends(lasts)), hosts


def ends(lasts: str | None, now: datetime | None = None) -> datetime | None:
    """When something ends that lasts so long.

    Raises:
        Refused: It is no duration, none at all, or longer than a year.
    """
    if lasts is None:
        return None
    try:
        period = timedelta(seconds=seconds(lasts.strip()))
    except ValueError:
        raise Refused(f"'{lasts}' is no duration: expected {EXAMPLES}.") from None
    if not timedelta() < period <= LASTS:
        raise Refused(
            f"'{lasts}' is no time for an operation to last: more than nothing, and at most {LASTS.days} days."
        )
    return (now or datetime.now(timezone.utc)).replace(microsecond=0) + period


def end(store: Store, kind: Kind, target: Mapping[str, str], who: str, why: str) -> list[Operation]:
    """End every operation of a kind that has exactly this target.

    A drain that began gracefully ends so too: for as long, announcements are back as the last choice.

    Raises:
        Refused: There is none in effect.
    """
    operations = Operations(store)
    active = [each for each in operations.active(datetime.now(timezone.utc)) if each.kind == kind]
    meant = [each for each in active if dict(each.target) == dict(target)]
    if not meant:
        others = ", ".join(f"{each.id} ({in_words(each.target)})" for each in active)
        known_ones = f" In effect: {others}." if others else ""
        raise Refused(f"There is no {kind} of {in_words(target)} to end.{known_ones}")
    now = datetime.now(timezone.utc).replace(microsecond=0)
    for each in meant:
        if seconds_ := each.settings.get("gracefully"):
            until = now + timedelta(seconds=seconds_)
            words = f"drain {each.id} ends gracefully"
            operations.add("drain", each.target, {"how": "graceful"}, who=who, why=words, until=until)
    return [operations.end(each.id, who, why) for each in meant]


def in_words(target: Mapping[str, str]) -> str:
    """``pop lhr1, service web``."""
    return ", ".join(f"{label} {value}" for label, value in sorted(target.items()))


def of_words(words: Iterable[str]) -> dict[str, str]:
    """A target from words such as ``pop=lhr1``; a bare word is a host.

    Raises:
        Refused: A label is given twice.
    """
    target: dict[str, str] = {}
    for word in words:
        label, sign, value = word.partition("=")
        label, value = (label, value) if sign else ("host", label)
        if label in target:
            raise Refused(f"'{label}' is named twice: begin an operation for each.")
        target[label] = value
    return target
