"""Judgements in words: one sentence that says what was seen, against what, and what follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidegate.judge.comparison import Comparison, unmatched
from tidegate.judge.faults import Fault
from tidegate.judge.risk import Risk
from tidegate.rollout.verdict import Outcome

if TYPE_CHECKING:
    from tidegate.judge.judgement import MetricJudgement

_MODEL = {
    "levels": "; with so few hosts it is taken that they vary normally",
    "counts": "; with so few hosts it is taken that each counts independently",
}


def unusable(fault: Fault) -> str:
    """Why nothing can be said."""
    return f"nothing can be said: {fault.text}"


def verdict(found: MetricJudgement, needed: float, risk: Risk) -> tuple[Outcome, str]:
    """The verdict on one metric, and why.

    Args:
        found: What was measured.
        needed: Evidence at which a metric alone stops a release.
        risk: The error rates.
    """
    if found.evidence >= math.log10(needed):
        return "fail", f"it got worse: {_effect(found)}. {_chance(found)}{_MODEL.get(found.method, '')}"
    if found.faults:
        return "inconclusive", f"it is not judged good, because {'; '.join(fault.text for fault in found.faults)}"
    if not found.margin > 0:
        return "inconclusive", "the baselines' level is 0, of which its margin would be a share: give an absolute one"
    most = _most(found)
    if most < found.margin:
        return "pass", f"it got at most {amount(most, found)} worse, within the margin of {amount(found.margin, found)}"
    known = "nobody knows yet by how much" if math.isinf(most) else f"it may be up to {amount(most, found)} worse"
    text = f"{known}, and the margin is {amount(found.margin, found)}"
    if found.power < 0.5 and not math.isinf(most):
        text += "; with so much noise a release that changes nothing would hardly have passed by now"
    return "inconclusive", text


def together(found: MetricJudgement) -> str:
    """Why the worst of several metrics fails that are only too bad together."""
    return f"together with others it got worse, this one most: {_effect(found)}"


def overall(found: Sequence[MetricJudgement], comparison: Comparison) -> tuple[Outcome, str]:
    """The verdict on all metrics, and why."""
    if not found:
        return "inconclusive", "no metric is given: there is nothing to judge by"
    failed = [each for each in found if each.outcome == "fail"]
    open_ = [each for each in found if each.outcome == "inconclusive"]
    if failed:
        worst = max(failed, key=lambda each: each.evidence)
        more = f" (and {len(failed) - 1} more of {len(found)} metrics)" if len(failed) > 1 else ""
        return "fail", f"{worst.name}: {worst.reason}{more}"
    if open_:
        more = f" (and {len(open_) - 1} more of {len(found)} metrics)" if len(open_) > 1 else ""
        return "inconclusive", f"{open_[0].name}: {open_[0].reason}{more}"
    alone = unmatched(comparison)
    but = (
        f"; nothing is like {', '.join(alone[:3])}{' and others' if len(alone) > 3 else ''}, not compared"
        if alone
        else ""
    )
    metrics = "the metric is" if len(found) == 1 else f"all {len(found)} metrics are"
    return "pass", f"{metrics} shown to be within the margin{but}"


def amount(value: float, found: MetricJudgement, signed: bool = False) -> str:
    """A difference for people: of a ratio in per cent, else in the metric's unit, and against the level in per cent."""
    sign = "+" if signed else ""
    if found.log:
        return _percent(math.expm1(min(value, 50.0)), sign)
    text = f"{value:{sign}.3g}{f' {found.unit}' if found.unit else ''}"
    if abs(found.level) > 0 and math.isfinite(value):
        text += f" ({_percent(value / abs(found.level), sign)})"
    return text


def _percent(share: float, sign: str) -> str:
    return f"{100 * share:{sign}.3g} %" if abs(share) < 10 else f"{100 * share:{sign},.0f} %"


def _most(found: MetricJudgement) -> float:
    """How much worse it may be at most."""
    sides = {"higher": [found.high], "lower": [-found.low], "either": [found.high, -found.low]}[found.worse]
    return math.inf if any(math.isnan(side) for side in sides) else max(*sides, 0.0)


def _effect(found: MetricJudgement) -> str:
    hosts = "one host" if found.baselines == 1 else f"{found.baselines} hosts"
    text = f"{amount(found.effect, found, signed=True)} against {hosts} without the release"
    if math.isfinite(found.low) or math.isfinite(found.high):
        return f"{text}, between {amount(found.low, found, signed=True)} and {amount(found.high, found, signed=True)}"
    return f"{text}, and how much exactly nobody can say"


def _chance(found: MetricJudgement) -> str:
    if found.evidence >= 6:
        return "By chance alone that happens less than once in a million rollouts"
    return f"By chance alone that happens at most once in {10**found.evidence:,.0f} rollouts"
