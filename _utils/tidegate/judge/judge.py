"""The judge. Pure: the same data give the same judgement, and nothing else is looked at.

Three questions about each metric, all at once and at every tick:

- Did it get worse? Then the release stops (`exchange`, for a handful of hosts `few`). The chance that a release that
  changes nothing is stopped is at most `Risk.false_abort`, over all metrics of the gate and all ticks together.
- Is it shown to be no worse than the margin? Then it passes (`estimate`).
- Else nobody knows yet: inconclusive, with what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidegate.judge import words
from tidegate.judge.arms import Arms, Layout
from tidegate.judge.changes import Changes, changes
from tidegate.judge.comparison import Comparison, matched_sets
from tidegate.judge.estimate import Estimate, estimate
from tidegate.judge.evidence import log_evidence, method
from tidegate.judge.faults import blemishes, has_past, unusable
from tidegate.judge.judgement import Course, Judgement, MetricJudgement
from tidegate.judge.metric import Array, Definition, Metric
from tidegate.judge.poisson import at_least_poisson, silent_width
from tidegate.judge.recording import Recorded, Recording, record
from tidegate.judge.risk import Risk
from tidegate.judge.spending import towards_the_end

MOST_NAMED = 5
"""Hosts named as the worst of a metric."""


def judge(metrics: Sequence[Metric], comparison: Comparison, now: float, risk: Risk | None = None) -> Judgement:
    """The judgement of a wave at one moment.

    Args:
        metrics: All metrics of the gate, also those that could not be had (`Metric.failure`).
        comparison: Who is compared with whom, and when.
        now: Seconds since the epoch.
        risk: The error rates to hold.
    """
    return judge_recording(record(metrics, comparison, now), risk or Risk())


def judge_recording(recording: Recording, risk: Risk | None = None) -> Judgement:
    """The judgement of what was recorded, at the moment of the recording."""
    risk = risk or Risk()
    comparison = recording.comparison
    hosts = recording.metrics[0].blocks.hosts if recording.metrics else ()
    layout = Layout.of(matched_sets(comparison) if hosts else (), hosts)
    needed = max(1, len(recording.metrics)) / risk.false_abort
    found = tuple(_Metric(each, comparison, layout, risk, needed).judgement() for each in recording.metrics)
    found = _together(found, needed)
    return Judgement(
        *words.overall(found, comparison),
        recording.now,
        comparison.ticks(recording.now),
        comparison.planned,
        risk,
        found,
    )


def _together(found: tuple[MetricJudgement, ...], needed: float) -> tuple[MetricJudgement, ...]:
    """The mean of e-values is one (Vovk & Wang 2021): metrics that are each a little worse can be too much together."""
    alone = math.log10(needed)
    if not found or any(each.outcome == "fail" for each in found):
        return found
    if math.log10(max(sum(10 ** min(each.evidence, 300) for each in found), 1e-300)) < alone:
        return found
    worst = max(range(len(found)), key=lambda number: found[number].evidence)
    failed = replace(found[worst], outcome="fail", reason=words.together(found[worst]))
    return (*found[:worst], failed, *found[worst + 1 :])


@dataclass(frozen=True)
class _Metric:
    recorded: Recorded
    comparison: Comparison
    layout: Layout
    risk: Risk
    needed: float

    @property
    def definition(self) -> Definition:
        return self.recorded.definition

    def judgement(self) -> MetricJudgement:
        definition = self.definition
        plain = MetricJudgement(definition.name, "inconclusive", "", definition.worse, definition.unit, definition.log)
        if fault := unusable(self.recorded, self.comparison, self.layout):
            return replace(plain, reason=words.unusable(fault), faults=(fault,))
        change = changes(self.recorded.blocks, self.comparison.planned)
        faults = tuple(blemishes(self.recorded, change, self.comparison, self.layout, self.risk))
        found = replace(self._measured(plain, change), faults=faults)
        outcome, reason = words.verdict(found, self.needed, self.risk)
        return replace(found, outcome=outcome, reason=reason)

    def _measured(self, plain: MetricJudgement, change: Changes) -> MetricJudgement:
        known = has_past(self.recorded)
        if not known:  # Levels are shown, but differences between hosts are no evidence against the release.
            change = replace(change, change=change.level)
        level = self._level(change)
        margin, tolerance = self._limit(self.definition.margin, level), self._limit(self.definition.tolerance, level)
        found = self._estimate(change)
        how = method(self.definition, self.layout, self.comparison.planned, self.needed)
        logs = np.full(len(level), -np.inf)
        if known:
            blocks = self.recorded.blocks
            logs = log_evidence(how, self.definition, blocks, change, self.layout, tolerance, self.comparison.planned)
        chance = self.risk.false_pass * towards_the_end(self.comparison.planned, len(level))
        share = self.definition.margin if self.definition.relative and not self.definition.log else 0.0
        width = self._width(found, chance, share)
        arms = Arms.of(self.layout.spread(change.change[-1:]), self.layout)
        return replace(
            plain,
            margin=float(margin[-1]),
            level=float(level[-1]) if not self.definition.log else math.nan,
            course=Course(
                _floats(logs / math.log(10)),
                _floats(found.effect),
                _floats(found.effect - width),
                _floats(found.effect + width),
            ),
            method=how if known else "none",
            canaries=int(arms.canaries.sum()),
            baselines=int(arms.baselines.sum()),
            power=float(found.chance_to_pass(margin, chance, share)[-1]),
            worst=self._worst(change, arms),
        )

    def _level(self, change: Changes) -> Array:
        arms = Arms.of(self.layout.spread(change.level), self.layout)
        return np.asarray((arms.weights * arms.baseline_mean).sum(axis=1))

    def _limit(self, limit: float, level: Array) -> Array:
        """(T,) a margin or tolerance on the scale of the effects."""
        if self.definition.log:
            ratio = math.log1p(limit) if self.definition.worse == "higher" else -math.log1p(-limit)
            return np.full(len(level), ratio)
        return limit * np.abs(level) if self.definition.relative else np.full(len(level), limit)

    def _estimate(self, change: Changes) -> Estimate:
        found = estimate(change.change, self.layout)
        if self.definition.kind == "gauge":
            return found
        return at_least_poisson(found, self.recorded.blocks, self.layout)

    def _width(self, found: Estimate, chance: Array, share: float) -> Array:
        width = found.half_width(chance, share)
        if self.definition.kind == "gauge":
            return width
        return np.where(*silent_width(self.recorded.blocks, self.layout, chance), width)

    def _worst(self, change: Changes, arms: Arms) -> tuple[tuple[str, float], ...]:
        laid = self.layout.spread(change.change[-1:])[0]
        sign = -1.0 if self.definition.worse == "lower" else 1.0
        beyond = np.where(self.layout.canary, laid - arms.baseline_mean[0][:, None], np.nan)
        hosts = self.recorded.blocks.hosts
        pairs = [
            (hosts[host], float(by))
            for host, by in zip(self.layout.order.ravel(), beyond.ravel(), strict=True)
            if np.isfinite(by)
        ]
        return tuple(sorted(pairs, key=lambda pair: -sign * pair[1])[:MOST_NAMED])


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(map(float, values))
