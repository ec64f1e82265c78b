"""One host before and after: what all comparisons of a delta are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tidegate.bird.section import BirdSection
from tidegate.host.plan import Plan, canonical
from tidegate.release.delta.where import Place


@dataclass(frozen=True)
class Sides:
    """One host's plans; ``None`` where it is not in the fleet yet, or no longer."""

    before: Plan | None
    after: Plan | None

    def place(self, neighbor: str = "", *, earlier: bool = False) -> Place:
        """The host as a place: where it will be, or with ``earlier`` where it was."""
        plans = (self.before, self.after) if earlier else (self.after, self.before)
        plan = plans[0] or plans[1]
        assert plan is not None
        labels = plan.document["labels"]
        return Place(labels["region"], labels["pop"], plan.document["host"], neighbor)

    @property
    def birds(self) -> tuple[BirdSection | None, BirdSection | None]:
        """Both ``bird`` sections."""
        return (self.before.bird if self.before else None, self.after.bird if self.after else None)

    def parts(self, section: str, key: str) -> tuple[list[Any], list[Any]]:
        """A list in a section, on both sides; empty where there is no plan."""
        before, after = (plan.document[section][key] if plan else [] for plan in (self.before, self.after))
        return before, after


def alike(changed: Iterable[Sides], section: str, key: str) -> Iterator[tuple[list[Any], list[Any], list[Place]]]:
    """Hosts whose list in a section goes from the same to the same: both lists, and the places.

    Thousands of hosts have the same rules and trees, so that each pair need be compared only once.
    """
    spelt: dict[int, str] = {}

    def content(part: list[Any]) -> str:
        # The plans keep their parts alive, so an id stays one part's; an empty list may be anybody's.
        if not part:
            return ""
        if id(part) not in spelt:
            spelt[id(part)] = canonical(part)
        return spelt[id(part)]

    found: dict[tuple[str, str], tuple[list[Any], list[Any], list[Place]]] = {}
    for sides in changed:
        before, after = sides.parts(section, key)
        pair = (content(before), content(after))
        if pair[0] != pair[1]:
            found.setdefault(pair, (before, after, []))[2].append(sides.place())
    yield from found.values()
