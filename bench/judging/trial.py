"""Runs of one cell: what the judge and what Kayenta's algorithm make of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from judging.kayenta import is_high
from judging.world import BEFORE, SOAK, Cell, recording, samples
from tidegate.judge.judge import judge_recording
from tidegate.judge.judgement import Judgement
from tidegate.judge.risk import Risk

KAYENTA_FROM = 10
"""Samples that Kayenta's algorithm gets at least; with less it makes even more of chance."""


@dataclass(frozen=True)
class Outcomes:
    """Of all runs of a cell.

    Attributes:
        aborted: (runs,) tick at which the judge stops the release; 0 for never.
        passed: (runs,) tick at which it is first shown to be harmless, if it is not stopped by the end; 0 for never.
        kayenta_end: (runs,) whether Kayenta's algorithm fails it at the end, looking once.
        kayenta_ever: (runs,) whether it does at any tick from the tenth.
    """

    aborted: np.ndarray
    passed: np.ndarray
    kayenta_end: np.ndarray
    kayenta_ever: np.ndarray


def outcomes(cell: Cell, runs: int, seed: int = 7, kayenta: bool = True) -> Outcomes:
    """Run it."""
    found = []
    for run in range(runs):
        values = samples(cell, np.random.default_rng((seed, run)))
        judged = judge_recording(recording(cell, values), Risk())
        aborted = _first(judged)
        end, ever = _kayenta(cell, values) if kayenta else (False, False)
        found.append((aborted, _passed(judged, aborted), end, ever))
    return Outcomes(*(np.array(column) for column in zip(*found, strict=True)))


def _first(judged: Judgement) -> int:
    """The tick at which the evidence of all metrics together was enough, worked out from its course."""
    course = 10 ** np.minimum([each.course.evidence for each in judged.metrics], 300)
    reached = course.sum(axis=0) >= len(course) / Risk().false_abort
    return int(np.argmax(reached)) + 1 if reached.any() else 0


def _passed(judged: Judgement, aborted: int) -> int:
    """The tick at which every metric is first shown to be within its margin."""
    if any(each.faults for each in judged.metrics):
        return 0
    within = [
        (np.array(each.course.high) if each.worse == "higher" else -np.array(each.course.low)) < each.margin
        for each in judged.metrics
    ]
    shown = np.all(within, axis=0)
    first = int(np.argmax(shown)) + 1 if shown.any() else 0
    return 0 if aborted else first


def _kayenta(cell: Cell, values: np.ndarray) -> tuple[bool, bool]:
    """Kayenta's way: the mean of the canaries against that of the baselines. Any metric fails the gate."""
    sign = -1.0 if cell.definition.worse == "lower" else 1.0
    soak = sign * values[:, BEFORE:, :]
    with np.errstate(all="ignore"):
        canary = np.nanmean(soak[:, :, cell.fleet.is_canary], axis=2)
        baseline = np.nanmean(soak[:, :, ~cell.fleet.is_canary], axis=2)
    high = [
        any(is_high(ours[:tick], theirs[:tick]) for ours, theirs in zip(canary, baseline, strict=True))
        for tick in range(KAYENTA_FROM, SOAK + 1)
    ]
    return high[-1], any(high)


def upper(hits: np.ndarray, confidence: float = 0.95) -> float:
    """Upper bound of the rate (Clopper and Pearson, one-sided)."""
    number, runs = int(hits.sum()), len(hits)
    return 1.0 if number == runs else float(beta.ppf(confidence, number + 1, runs - number))


def lower(hits: np.ndarray, confidence: float = 0.95) -> float:
    """Lower bound of the rate."""
    number, runs = int(hits.sum()), len(hits)
    return 0.0 if number == 0 else float(beta.ppf(1 - confidence, number, runs - number + 1))
