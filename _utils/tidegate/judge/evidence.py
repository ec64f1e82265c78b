"""Evidence of a deterioration over time: which test, which direction, and how it adds up."""

from __future__ import annotations

import math

import numpy as np

from tidegate.judge import exchange, few
from tidegate.judge.arms import Layout
from tidegate.judge.blocks import Blocks
from tidegate.judge.changes import Changes
from tidegate.judge.estimate import estimate
from tidegate.judge.judgement import Method
from tidegate.judge.metric import Array, Definition
from tidegate.judge.spending import evenly

LATE = 0.1
"""Share of each bet that is put on what begins late: on the recent window alone."""
ENOUGH = 10.0
"""Hosts are enough to be exchanged if one tick at its most extreme could be this many times more than is needed."""


def method(definition: Definition, layout: Layout, planned: int, needed: float) -> Method:
    """Which test; it depends on the number of hosts and of metrics, never on data.

    Args:
        definition: The metric's.
        layout: The matched sets.
        planned: Ticks in the soak.
        needed: Evidence at which a metric alone stops a release.
    """
    if exchange.reach(layout) >= math.log(needed * planned * ENOUGH):
        return "exchange"
    return "counts" if definition.kind == "counter" else "levels"


def log_evidence(
    how: Method, definition: Definition, found: Blocks, change: Changes, layout: Layout, tolerance: Array, planned: int
) -> Array:
    """(T,) logarithm of A_t = Σ_{s ≤ t} w_s E_s, as `exchange` explains it.

    Args:
        how: The test.
        definition: The metric's.
        found: Its blocks.
        change: What they come to per host.
        layout: The matched sets.
        tolerance: (T,) what is not yet worse, on the scale of the changes.
        planned: Ticks in the soak.
    """
    signs = {"higher": [1.0], "lower": [-1.0], "either": [1.0, -1.0]}[definition.worse]
    logs = [_log_evalues(how, sign, found, change, layout, tolerance) for sign in signs]
    mean = np.logaddexp.reduce(logs, axis=0) - math.log(len(signs))
    with np.errstate(divide="ignore"):
        return np.asarray(np.logaddexp.accumulate(mean + np.log(evenly(planned, len(mean)))))


def _log_evalues(how: Method, sign: float, found: Blocks, change: Changes, layout: Layout, tolerance: Array) -> Array:
    if how == "counts":
        after = np.cumsum(found.after, axis=1)
        return few.log_evalues_of_counts(found.before, after, layout, fewer=sign < 0)
    allowed = np.zeros(change.change.shape)
    allowed[:, layout.order[layout.canary]] = tolerance[:, None]
    logs = []
    for values in (change.change, change.recent):
        if how == "exchange":
            logs.append(exchange.log_evalues(sign * values - allowed, layout))
        else:
            logs.append(few.log_evalues_of_levels(estimate(sign * values, layout), tolerance))
    return np.asarray(np.logaddexp(logs[0] + math.log(1 - LATE), logs[1] + math.log(LATE)))
