"""Is every series of an answer within its limits? Pure, and the simplest of judges."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.host.errors import Refused
from tidegate.rollout.gates.gate import Finding, brief
from tidegate.rollout.gates.prometheus import Instant, Sample

MOST_LABELS = 100
"""Characters of a series' labels in a reason."""


@dataclass(frozen=True)
class Limits:
    """What a value may be at most and at least; the limit itself is good."""

    max: float | None = None
    min: float | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Limits:
        """The limits in a query's settings.

        Raises:
            Refused: There is none, or one is no number.
        """
        given = {key: float(settings[key]) for key in ("max", "min") if settings.get(key) is not None}
        if not given or not all(map(math.isfinite, given.values())):
            raise Refused("a query needs a number for max or min: without, nothing could fail")
        return cls(**given)

    def excess(self, value: float) -> float:
        """How far a value is outside: above 0 it is; below, how much room is left."""
        above = value - self.max if self.max is not None else -math.inf
        below = self.min - value if self.min is not None else -math.inf
        return max(above, below)

    def __str__(self) -> str:
        said = (("at most", self.max), ("at least", self.min))
        return " and ".join(f"{what} {value:g}" for what, value in said if value is not None)


def judged(name: str, limits: Limits, answer: Instant, hosts: Collection[str]) -> Finding:
    """What an answer says. Where data are missing, are no numbers or are doubted by the server, it says nothing.

    Args:
        name: Of the query.
        limits: For every series.
        answer: The server's.
        hosts: Those that were asked for: where series are of single hosts, each of them must have one.
    """
    if answer.warnings:
        return Finding(name, "inconclusive", f"the server doubts its own answer: {answer.warnings[0]}")
    if not answer.samples:
        return Finding(name, "inconclusive", "no data: the query has no series")
    numbers = [sample for sample in answer.samples if math.isfinite(sample.value)]
    outside = worst_first(limits, [sample for sample in numbers if limits.excess(sample.value) > 0])
    if outside:
        more = f" (and {len(outside) - 1} more of {len(answer.samples)} series)" if len(outside) > 1 else ""
        return Finding(name, "fail", f"{_said(outside[0])}, must be {limits}{more}")
    odd = next((sample for sample in answer.samples if not math.isfinite(sample.value)), None)
    if odd is not None:
        return Finding(name, "inconclusive", f"{_said(odd)} is no number")
    absent = missing(answer.samples, hosts)
    if absent:
        return Finding(name, "inconclusive", f"no data of {len(absent)} of {len(hosts)} hosts: {brief(absent[0])}")
    series = "1 series" if len(numbers) == 1 else f"{len(numbers)} series"
    return Finding(name, "pass", f"{series}, {_said(worst_first(limits, numbers)[0])}, {limits} is good")


def worst_first(limits: Limits, samples: Sequence[Sample]) -> list[Sample]:
    """Samples that are numbers, the one furthest outside, or with the least room left, first."""
    return sorted(samples, key=lambda sample: limits.excess(sample.value), reverse=True)


def missing(samples: Sequence[Sample], hosts: Collection[str]) -> list[str]:
    """Hosts without a series, if every series is of one host: the same label names one, with or without a port."""
    wanted = set(hosts)
    for label in samples[0].labels:
        named = {_host(sample.labels.get(label, ""), wanted) for sample in samples}
        if named <= wanted:
            return sorted(wanted - named)
    return []


def _host(value: str, hosts: Collection[str]) -> str:
    return value if value in hosts else value.rpartition(":")[0]


def _said(sample: Sample) -> str:
    labels = ", ".join(f"{label}={value}" for label, value in sorted(sample.labels.items()) if label != "__name__")
    return f"{sample.value:g}" + (f" of {brief(labels, MOST_LABELS)}" if labels else "")
