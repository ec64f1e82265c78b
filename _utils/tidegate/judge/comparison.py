"""Who is compared with whom, and when: hosts that can be exchanged for each other but for the release."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_IN_SET = 12
"""Hosts in one matched set. Splitting larger groups costs little power and keeps the counting of subsets cheap."""


@dataclass(frozen=True)
class MatchedSet:
    """Hosts of one PoP and class: without the release, any of them might have been the canaries."""

    canaries: tuple[str, ...]
    baselines: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """A wave, the hosts it is compared with, and the clock of its judgement. All times in seconds.

    Attributes:
        canaries: Hosts that have the release.
        baseline: Canary → hosts like it that do not have it, the nearest; none where there is no such host.
        before: From when until when all of them ran what they had before: ``until`` is when the first host began to
            change.
        changed: When the last canary had the release.
        warmup: For how long after that a restart may still be felt; nothing of it is judged.
        step: Length of a tick.
        planned: Ticks in the soak.
        pops: Host → PoP, to share out baselines that several groups could use; may be empty.
    """

    canaries: tuple[str, ...]
    baseline: Mapping[str, tuple[str, ...]]
    before: tuple[float, float]
    changed: float
    warmup: float = 120.0
    step: float = 60.0
    planned: int = 30
    pops: Mapping[str, str] = field(default_factory=dict)

    @property
    def start(self) -> float:
        """When the first tick begins."""
        return self.changed + self.warmup

    def ticks(self, now: float) -> int:
        """Ticks that are complete."""
        return max(0, int((now - self.start) / self.step + 1e-6))

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain data."""
        return {
            "canaries": list(self.canaries),
            "baseline": {host: list(names) for host, names in self.baseline.items()},
            "before": list(self.before),
            "changed": self.changed,
            "warmup": self.warmup,
            "step": self.step,
            "planned": self.planned,
            "pops": dict(self.pops),
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Comparison:
        """A comparison from plain data."""
        since, until = document["before"]
        lists = {
            "canaries": tuple(document["canaries"]),
            "baseline": {host: tuple(names) for host, names in document["baseline"].items()},
            "before": (since, until),
        }
        return cls(**{**document, **lists})


def matched_sets(comparison: Comparison) -> tuple[MatchedSet, ...]:
    """The sets to compare within: every host is in at most one, every set has both arms.

    Canaries with the same baseline are one group. A baseline host that several groups could use goes to one of its own
    PoP, else to the group that has the fewest. Nothing here looks at data, so the sets are fixed before any is seen.
    """
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for host in sorted(set(comparison.canaries)):
        groups[tuple(sorted(set(comparison.baseline.get(host, ())) - set(comparison.canaries)))].append(host)
    groups.pop((), None)
    shared = _share(groups, comparison.pops)
    return tuple(part for names, canaries in groups.items() for part in _split(canaries, shared[names]))


def unmatched(comparison: Comparison) -> tuple[str, ...]:
    """Canaries that nothing can be compared with."""
    matched = {host for each in matched_sets(comparison) for host in each.canaries}
    return tuple(host for host in comparison.canaries if host not in matched)


def _share(groups: Mapping[tuple[str, ...], list[str]], pops: Mapping[str, str]) -> dict[tuple[str, ...], list[str]]:
    wanted = Counter(host for names in groups for host in names)
    shared: dict[tuple[str, ...], list[str]] = {names: [h for h in names if wanted[h] == 1] for names in groups}
    for host in sorted(host for host, count in wanted.items() if count > 1):
        takers = [names for names in groups if host in names]
        near = [n for n in takers if pops.get(host) and any(pops.get(c) == pops[host] for c in groups[n])]
        # In proportion to the canaries: a group of ten needs more to compare with than a group of one.
        shared[min(near or takers, key=lambda names: len(shared[names]) / len(groups[names]))].append(host)
    return shared


def _split(canaries: list[str], baselines: list[str]) -> list[MatchedSet]:
    parts = min(-(-(len(canaries) + len(baselines)) // MOST_IN_SET), len(canaries), len(baselines))
    return [MatchedSet(tuple(canaries[n::parts]), tuple(baselines[n::parts])) for n in range(parts)]
