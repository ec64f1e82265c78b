"""The tests for a handful of hosts, where exchanging labels cannot tell enough: they assume more, and say so.

With two canaries and four other hosts there are 15 ways to choose the canaries, so `exchange` can never reach one in a
thousand, however bad it gets. These tests can, at the price of a model of hosts. They are meant for gross failures.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaln, logsumexp

from tidegate.judge.arms import Layout
from tidegate.judge.estimate import Estimate
from tidegate.judge.metric import Array, Mask

EFFECTS = np.array([5.0, 30.0, 200.0, 1500.0])
"""Grid of variances of the effect before it is seen, in units of its error's."""
MOST_FREEDOM = 5.0
"""More degrees of freedom than these are not believed: the tails of hosts are not known to be normal."""
RATIOS = np.log(np.array([2.0, 4.0, 10.0, 40.0]))
"""Grid of how many times more often events happen with a bad release."""
LIKENESS = 20.0
"""How alike hosts are before anything is seen of them: the share of events of one of two hosts is known as well as from
this many events. So 3 times more events on one of two hosts are nothing special, and 30 times more are."""
BUNCHES = (1, 5)
"""Ticks over which events are looked at for coming in bunches."""
MOST_HISTORY = 60.0
"""Events before the change count as this many at most: what was, is not sure to go on."""


def log_evalues_of_levels(estimate: Estimate, tolerance: Array) -> Array:
    """(T,) log e-values against "the effect is at most the tolerance", for hosts around a normal distribution.

    The ratio of the density of Student's t under a normal prior of the standardised effect to that without effect: the
    e-value of the scale-invariant t-test (Wang & Ramdas 2024, "Anytime-valid t-tests and confidence sequences for
    Gaussian means with unknown variance"). One-sided by doubling its upper half, which is as likely as the lower one.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        square = ((estimate.effect - tolerance) / estimate.error) ** 2
    freedom = np.minimum(estimate.freedom, MOST_FREEDOM)
    known = np.isfinite(square) & (freedom >= 2) & (estimate.effect > tolerance)
    square = np.where(known, square, 0.0)
    freedom = np.maximum(freedom, 1.0)
    grid = 1 + EFFECTS[:, None]
    ratio = np.log1p(square / freedom) - np.log1p(square / (freedom * grid))
    logs = (freedom + 1) / 2 * ratio - np.log(grid) / 2
    return np.where(known, logsumexp(logs, axis=0) - np.log(len(EFFECTS)) + np.log(2), -np.inf)


def log_evalues_of_counts(before: Array, after: Array, layout: Layout, fewer: bool = False) -> Array:
    """(T,) log e-values against "events are not more frequent on the canaries", from counts themselves.

    Given how many events a set had since the change, the number on its canaries is binomial; whatever changes the rate
    on all hosts, such as the time of day, cancels (Lindon & Malek 2022, "Anytime-Valid Inference For Multinomial Count
    Data", NeurIPS 35, for Poisson processes of any common intensity). Theirs fixes the canaries' share by design. Hosts
    differ, so here it has a beta distribution around the share of exposure, learned from before the change and never
    known better than `LIKENESS` and `MOST_HISTORY` allow. Events that come in bunches count as one a bunch.

    Args:
        before: (2, B, H) events and exposures before the change.
        after: (2, T, H) those since, up to each tick.
        layout: The matched sets.
        fewer: The other way round: against "events are not less frequent".
    """
    if fewer:
        layout = Layout(layout.order, layout.baseline, layout.canary)
    bunching = _bunching(before[0])
    canaries, others = _arm(after, layout, layout.canary), _arm(after, layout, layout.baseline)
    canaries[0] /= bunching
    others[0] /= bunching
    old = before.sum(axis=1)[:, None, :] / bunching
    old_canaries, old_others = _arm(old, layout, layout.canary)[0], _arm(old, layout, layout.baseline)[0]
    exposure = canaries[1] + others[1]
    share = np.clip(canaries[1] / np.maximum(exposure, 1e-300), 1e-6, 1 - 1e-6)
    history = np.minimum(1.0, MOST_HISTORY / np.maximum(old_canaries + old_others, 1.0))
    ours = LIKENESS * share + history * old_canaries
    theirs = LIKENESS * (1 - share) + history * old_others
    # A ratio moves the share; the distribution keeps its width.
    moved = 1 / (1 + theirs / ours * np.exp(-RATIOS[:, None, None]))
    width = ours + theirs
    null = _beta_binomial(canaries[0], others[0], ours, theirs)
    worse = _beta_binomial(canaries[0], others[0], width * moved, width * (1 - moved))
    known = (canaries[1] > 0) & (others[1] > 0)
    logs = np.where(known, worse - null, 0.0).sum(axis=2)
    return np.asarray(logsumexp(logs, axis=0) - np.log(len(RATIOS)))


def _bunching(events: Array) -> float:
    """How much more the (B, H) counts of a host vary than a Poisson count would; at least 1. No label is looked at."""
    found = [1.0]
    for width in BUNCHES:
        whole = len(events) // width
        if whole < 3 or not events.any():
            continue
        sums = events[: whole * width].reshape(whole, width, -1).sum(axis=1)
        found.append(float(sums.var(axis=0, ddof=1).sum() / max(float(sums.mean(axis=0).sum()), 1e-300)))
    return max(found)


def _arm(counts: Array, layout: Layout, arm: Mask) -> Array:
    """(2, T, S) events and exposure of one arm of each set."""
    return np.asarray((counts[:, :, layout.order] * arm).sum(axis=3))


def _beta_binomial(ours: Array, theirs: Array, alpha: Array, beta: Array) -> Array:
    # Without the number of ways to order the events, which is the same in every hypothesis.
    return np.asarray(betaln(alpha + ours, beta + theirs) - betaln(alpha, beta))
