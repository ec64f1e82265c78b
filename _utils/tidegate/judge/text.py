"""A judgement as text, for terminals, logs and messages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tidegate.judge.judgement import Judgement, MetricJudgement
from tidegate.judge.words import amount

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 30
"""Characters that the evidence over time takes at most."""


def lines(judgement: Judgement) -> Iterator[str]:
    """The report, line by line: the verdict, then every metric with its effect, margin and evidence over time."""
    yield f"{judgement.outcome.upper()} at tick {judgement.tick} of {judgement.planned}: {judgement.reason}"
    rates = f"false aborts at most {100 * judgement.risk.false_abort:g} %, over all metrics and ticks"
    yield f"  {rates}; false passes at most {100 * judgement.risk.false_pass:g} % a metric"
    for metric in sorted(judgement.metrics, key=_badness):
        yield ""
        yield from _metric(metric, judgement.threshold)


def _badness(metric: MetricJudgement) -> tuple[int, float]:
    return ["fail", "inconclusive", "pass"].index(metric.outcome), -metric.evidence


def _metric(metric: MetricJudgement, threshold: float) -> Iterator[str]:
    yield f"{metric.name}: {metric.outcome}: {metric.reason}"
    if math.isfinite(metric.effect):
        between = f"between {_signed(metric.low, metric)} and {_signed(metric.high, metric)}"
        yield f"    effect    {_signed(metric.effect, metric)}, {between}; {metric.worse} is worse"
    if metric.margin > 0:
        power = f"a release that changes nothing would pass now in {100 * metric.power:.0f} of 100 cases"
        yield f"    margin    {amount(metric.margin, metric)}; {power}"
    if metric.course.evidence and metric.method != "none":
        yield f"    evidence  {bars(metric.course.evidence, threshold)}  {_ratio(metric.evidence, threshold)}"
    if metric.canaries:
        yield f"    hosts     {metric.canaries} with the release, {metric.baselines} without"
    if metric.outcome != "pass" and metric.worst:
        worst = ", ".join(f"{host} {_signed(by, metric)}" for host, by in metric.worst[:3])
        yield f"    most      {worst}"


def bars(evidence: Sequence[float], threshold: float) -> str:
    """Evidence (log10) over time as a row of bars; a full one is enough to stop the release."""
    chosen = evidence[:: -(-len(evidence) // WIDTH)] if evidence else ()
    top = len(BARS) - 1
    return "".join(
        BARS[int(min(max(each / threshold, 0.0), 1.0) * top)] if each > -math.inf else BARS[0] for each in chosen
    )


def _ratio(evidence: float, threshold: float) -> str:
    if evidence >= threshold:
        return "enough to stop"
    return f"{100 * 10 ** (evidence - threshold):.2g} % of what stops the release"


def _signed(value: float, metric: MetricJudgement) -> str:
    if not math.isfinite(value):
        return "anything"
    return amount(value, metric, signed=True)
