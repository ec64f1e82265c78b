"""Where two judgements of the same data differ: nowhere, unless the judge itself changed."""

from __future__ import annotations

import math

from tidegate.judge.judgement import Judgement, MetricJudgement

CLOSE = 1e-4
"""Relative difference of numbers that is none: they are kept with six digits, and processors round differently."""


def differences(old: Judgement, new: Judgement) -> list[str]:
    """What differs, in words; nothing if the verdicts and the numbers that they rest on are the same."""
    found = [f"the verdict was {old.outcome}, now it is {new.outcome}"] if old.outcome != new.outcome else []
    if [each.name for each in old.metrics] != [each.name for each in new.metrics]:
        return [*found, "they are not of the same metrics"]
    for before, after in zip(old.metrics, new.metrics, strict=True):
        found += [f"{before.name}: {text}" for text in _of_metric(before, after)]
    return found


def _of_metric(old: MetricJudgement, new: MetricJudgement) -> list[str]:
    found = [f"the verdict was {old.outcome}, now it is {new.outcome}"] if old.outcome != new.outcome else []
    if [fault.kind for fault in old.faults] != [fault.kind for fault in new.faults]:
        found.append("other faults were found in its data")
    for name in ("evidence", "effect", "low", "high", "margin"):
        before, after = getattr(old, name), getattr(new, name)
        if not _same(before, after):
            found.append(f"{name} was {before:.4g}, now it is {after:.4g}")
    return found


def _same(old: float, new: float) -> bool:
    # What is not finite is not kept.
    if not (math.isfinite(old) and math.isfinite(new)):
        return math.isfinite(old) == math.isfinite(new)
    return math.isclose(old, new, rel_tol=CLOSE, abs_tol=1e-9)
