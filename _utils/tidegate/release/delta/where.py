"""Where a change happens: the places, and the labels by which a reader recognises them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Generic, NamedTuple, TypeVar

from tidegate.host.plan import Plan

GENERAL_TO_SPECIAL = ("class", "role", "region", "pop")
"""Labels in the order in which they are given up when the others say as much."""


class Place(NamedTuple):
    """A host, and where the change is about one of its sessions, the neighbor's name."""

    region: str
    pop: str
    host: str
    neighbor: str = ""


@dataclass(frozen=True)
class Where:
    """The places of one change.

    Attributes:
        places: Every one, sorted.
        labels: What the hosts have in common, as short as it can be said.
        of: How many hosts of the fleet carry those labels; equal to the number of hosts here, it is all of them.
    """

    places: tuple[Place, ...]
    labels: tuple[tuple[str, str], ...]
    of: int

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """The hosts, each once."""
        return tuple(sorted({place.host for place in self.places}))

    @cached_property
    def pops(self) -> tuple[str, ...]:
        """The PoPs, each once."""
        return tuple(sorted({place.pop for place in self.places}))

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """The regions, each once."""
        return tuple(sorted({place.region for place in self.places}))

    @cached_property
    def neighbors(self) -> tuple[str, ...]:
        """The neighbors, each once; empty where the change is not about sessions."""
        return tuple(sorted({place.neighbor for place in self.places} - {""}))

    def as_dict(self) -> dict[str, Any]:
        """Counts, labels, and the places: PoP → hosts, or PoP → neighbor → hosts for what is about sessions."""
        by_pop: dict[str, Any] = {}
        for pop, places in groupby(sorted(self.places, key=lambda place: place.pop), key=lambda place: place.pop):
            here = list(places)
            if not self.neighbors:
                by_pop[pop] = sorted({place.host for place in here})
                continue
            found: dict[str, list[str]] = defaultdict(list)
            for place in sorted(here, key=lambda place: (place.neighbor, place.host)):
                found[place.neighbor].append(place.host)
            by_pop[pop] = dict(found)
        return {
            "hosts": len(self.hosts),
            "of": self.of,
            "labels": dict(self.labels),
            "regions": list(self.regions),
            "pops": by_pop,
        }


Key = TypeVar("Key", bound=Hashable)


class Gathered(Generic[Key]):
    """Changes that are alike, with all their places."""

    def __init__(self) -> None:
        self._places: dict[Key, list[Place]] = defaultdict(list)

    def add(self, key: Key, *places: Place) -> None:
        """More places for a change."""
        self._places[key] += places

    def items(self) -> Iterator[tuple[Key, tuple[Place, ...]]]:
        """Each change once, with its places in order."""
        for key, places in self._places.items():
            yield key, tuple(sorted(places))


class Labels:
    """The labels of every host of either side, the later one's where both have it."""

    def __init__(self, before: Mapping[str, Plan], after: Mapping[str, Plan]) -> None:
        self._of = {host: plan.document["labels"] for side in (before, after) for host, plan in side.items()}

    def where(self, places: Sequence[Place]) -> Where:
        """These places, and what their hosts have in common."""
        ordered = tuple(sorted(places))
        labels = self._common({place.host for place in ordered})
        return Where(ordered, tuple(labels.items()), len(self._with(labels)))

    @cached_property
    def _hosts_with(self) -> dict[tuple[str, str], set[str]]:
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for host, labels in self._of.items():
            for label in GENERAL_TO_SPECIAL:
                found[label, labels[label]].add(host)
        return found

    def _common(self, hosts: set[str]) -> dict[str, str]:
        some = self._of[next(iter(hosts))] if hosts else {}
        labels = {
            label: some[label]
            for label in GENERAL_TO_SPECIAL
            if hosts and hosts <= self._hosts_with[label, some[label]]
        }
        chosen = len(self._with(labels))
        for label in list(labels):
            fewer = {name: value for name, value in labels.items() if name != label}
            if len(self._with(fewer)) == chosen:
                labels = fewer
        return dict(reversed(labels.items()))

    def _with(self, labels: Mapping[str, str]) -> set[str]:
        sets = [self._hosts_with[label] for label in labels.items()]
        return set.intersection(*sets) if sets else set(self._of)
