"""What the judge says: of each metric, and of all of them together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from tidegate.judge.faults import Fault
from tidegate.judge.risk import Risk
from tidegate.rollout.verdict import Outcome

Method = Literal["exchange", "levels", "counts", "none"]
"""How deterioration was tested: by exchanging hosts, or by a model of levels or of counts where hosts are too few."""


@dataclass(frozen=True)
class Course:
    """How it went over T ticks; all of length T. Effects are of the scale that the metric is compared on.

    Attributes:
        evidence: log10 of the evidence of a deterioration; it never falls.
        effect: Canaries less baselines, each less what they were before; NaN where unknown.
        low: Lower bound of the effect; all bounds hold together.
        high: Upper bound.
    """

    evidence: tuple[float, ...] = ()
    effect: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class MetricJudgement:
    """One metric.

    Attributes:
        name: Its name.
        outcome: ``fail``: it got worse. ``pass``: it did not get worse by the margin. Else ``inconclusive``.
        reason: One sentence.
        worse: Which way is worse.
        unit: For people.
        log: Its effects are logarithms of ratios.
        margin: What the release may cost, on the scale of the effects; NaN where it is unknown.
        level: The baselines' mean; NaN on a logarithmic scale.
        course: Evidence, effect and bounds at each tick.
        method: How deterioration was tested.
        canaries: Hosts with the release that were compared.
        baselines: Hosts without it.
        power: How likely a release that changes nothing passes at this look.
        faults: What was wrong with the data.
        worst: Hosts with the release that changed most for the worse, with by how much beyond their set's baselines.
    """

    name: str
    outcome: Outcome
    reason: str
    worse: str = "higher"
    unit: str = ""
    log: bool = False
    margin: float = math.nan
    level: float = math.nan
    course: Course = Course()
    method: Method = "none"
    canaries: int = 0
    baselines: int = 0
    power: float = 0.0
    faults: tuple[Fault, ...] = ()
    worst: tuple[tuple[str, float], ...] = ()

    @property
    def effect(self) -> float:
        """The effect now; NaN where unknown."""
        return self.course.effect[-1] if self.course.effect else math.nan

    @property
    def low(self) -> float:
        """Its lower bound now."""
        return self.course.low[-1] if self.course.low else math.nan

    @property
    def high(self) -> float:
        """Its upper bound now."""
        return self.course.high[-1] if self.course.high else math.nan

    @property
    def evidence(self) -> float:
        """log10 of the evidence now."""
        return self.course.evidence[-1] if self.course.evidence else -math.inf

    def as_dict(self) -> dict[str, Any]:
        """The judgement as plain data; what is not finite is ``None``."""
        return {
            **{field.name: _plain(getattr(self, field.name)) for field in fields(self)},
            "course": {field.name: _plain(getattr(self.course, field.name)) for field in fields(Course)},
            "faults": [fault.as_dict() for fault in self.faults],
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> MetricJudgement:
        """A judgement from plain data."""
        course = {name: tuple(map(_number, values)) for name, values in document["course"].items()}
        course["evidence"] = tuple(-math.inf if math.isnan(each) else each for each in course["evidence"])
        return cls(
            **{
                **document,
                "margin": _number(document["margin"]),
                "level": _number(document["level"]),
                "course": Course(**course),
                "faults": tuple(map(Fault.of, document["faults"])),
                "worst": tuple((host, change) for host, change in document["worst"]),
            }
        )


@dataclass(frozen=True)
class Judgement:
    """All metrics of a gate.

    Attributes:
        outcome: ``fail`` if there is evidence of a deterioration, ``pass`` if every metric passes, else inconclusive.
        reason: One sentence.
        now: Of when it is, in seconds since the epoch.
        tick: Ticks seen.
        planned: Ticks in the soak.
        risk: The error rates that hold.
        metrics: One by one.
    """

    outcome: Outcome
    reason: str
    now: float
    tick: int
    planned: int
    risk: Risk
    metrics: tuple[MetricJudgement, ...]

    @property
    def threshold(self) -> float:
        """log10 of the evidence of one metric at which it alone stops the release."""
        return math.log10(max(1, len(self.metrics)) / self.risk.false_abort)

    def as_dict(self) -> dict[str, Any]:
        """The judgement as plain data, for a gate's evidence."""
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "now": self.now,
            "tick": self.tick,
            "planned": self.planned,
            "risk": self.risk.as_dict(),
            "metrics": [metric.as_dict() for metric in self.metrics],
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Judgement:
        """A judgement from plain data."""
        return cls(
            **{
                **document,
                "risk": Risk.of(document["risk"]),
                "metrics": tuple(map(MetricJudgement.of, document["metrics"])),
            }
        )


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
