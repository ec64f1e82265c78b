"""A delta as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tidegate.release.delta.changes import (
    Adjustment,
    Announcement,
    ClassChange,
    RuleChange,
    ServiceChange,
    SessionChange,
)
from tidegate.release.delta.where import Place, Where

Tally = dict[str, dict[str, int]]
"""PoP or region → what happens there → how often, such as ``{"lhr1": {"sessions restarted": 4}}``."""


@dataclass(frozen=True)
class HostCounts:
    """Hosts of both sides."""

    before: int
    after: int
    unchanged: int
    changed: Where
    comes: Where
    goes: Where

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "unchanged": self.unchanged,
            "changed": self.changed.as_dict(),
            "comes": self.comes.as_dict(),
            "goes": self.goes.as_dict(),
        }


@dataclass(frozen=True)
class Delta:
    """What happens in the network between two sets of plans. True if anything does.

    A host that goes counts as one whose sessions end: what it announced is withdrawn, though the host itself may be
    switched off later or never.
    """

    hosts: HostCounts
    services: tuple[ServiceChange, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    sessions: tuple[SessionChange, ...] = ()
    rules: tuple[RuleChange, ...] = ()
    classes: tuple[ClassChange, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()

    def __bool__(self) -> bool:
        return any(where.places for where in (self.hosts.changed, self.hosts.comes, self.hosts.goes))

    @cached_property
    def by_pop(self) -> Tally:
        """What happens in each PoP."""
        return self._tally("pop")

    @cached_property
    def by_region(self) -> Tally:
        """What happens in each region."""
        return self._tally("region")

    @cached_property
    def by_host(self) -> Tally:
        """What happens on each host."""
        return self._tally("host")

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, the same for equal deltas."""
        return {
            "hosts": self.hosts.as_dict(),
            "services": [change.as_dict() for change in self.services],
            "announcements": [change.as_dict() for change in self.announcements],
            "sessions": [change.as_dict() for change in self.sessions],
            "rules": [change.as_dict() for change in self.rules],
            "classes": [change.as_dict() for change in self.classes],
            "adjustments": [change.as_dict() for change in self.adjustments],
            "regions": self.by_region,
            "pops": self.by_pop,
        }

    def _tally(self, level: str) -> Tally:
        found: dict[str, Counter[str]] = {}
        for noun, count, place in self._events():
            found.setdefault(getattr(place, level), Counter())[noun] += count
        return {name: dict(sorted(counts.items())) for name, counts in sorted(found.items())}

    def _events(self) -> Iterator[tuple[str, int, Place]]:
        """What happens, how often, at which place."""
        hosts = self.hosts
        for verb, where in (("changed", hosts.changed), ("come", hosts.comes), ("go", hosts.goes)):
            for place in where.places:
                yield f"hosts {verb}", 1, place
        for announcement in self.announcements:
            for place in announcement.where.places:
                yield f"prefixes {announcement.verb}", len(announcement.prefixes), place
        changes: list[tuple[str, SessionChange | RuleChange | ClassChange]] = [
            *(("sessions", session) for session in self.sessions),
            *(("rules", rule) for rule in self.rules),
            *(("classes", class_) for class_ in self.classes),
        ]
        for noun, change in changes:
            for place in change.where.places:
                yield f"{noun} {change.verb}", 1, place
