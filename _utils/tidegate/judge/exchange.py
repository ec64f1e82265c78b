"""The test that stops a release: could these hosts as well have been the canaries?

If the release does nothing, then within a matched set any hosts might have been the canaries: the labels are
exchangeable, whatever the distribution of the metric, its dependence over time and between metrics, and whatever hits
a whole PoP. So at one tick, for a set of which a of n hosts have the release, and for any λ ≥ 0 that looks at no label,

    E(λ) = exp(λ Σ_canaries z) / mean over all subsets A of a hosts of exp(λ Σ_A z)

has mean 1: it is an e-value, exactly and at any number of hosts, and so is its product over sets and its mean over a
grid of λ. For a pair it is e^x / cosh x, which bets on the sign of a difference that is symmetric if there is no
effect: the betting of Waudby-Smith & Ramdas 2024 ("Estimating means of bounded random variables by betting", JRSS B
86(1)) against exchangeability, with hosts in the place of time.

Over ticks the e-values of a metric depend on each other in ways that nobody knows (AR(1), seasons). Any weighted sum
A_t = Σ_{s ≤ t} w_s E_s with Σ w_s ≤ 1 only grows, and its end has a mean of at most 1, so by Markov's inequality the
chance that it ever reaches 1/α is at most α: one may look at every tick and stop at any. (The martingales of Howard,
Ramdas, McAuliffe & Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of
Statistics 49(2), are sharper where they hold: they need increments whose mean does not depend on the past, and that of
raw samples does.)
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from tidegate.judge.arms import Arms, Layout
from tidegate.judge.metric import Array, Index, Mask

BETS = np.array([0.8, 1.6, 5.0])
"""Grid of λ in units of one over the spread of hosts: for shifts of half of it, of all of it, and of much more."""
STAKES = np.array([0.5, 0.45, 0.05])
"""How much is put on each. What is gross wins with a small stake, too."""
UNEVEN = 2
"""Times that one arm of a set may be the other."""
CLIP = 5.0
"""Deviations beyond this many spreads count as this many: a bet on one host's whim wins nothing."""


def log_evalues(values: Array, layout: Layout) -> Array:
    """(T,) logarithms of the e-values against "the canaries' values are not above the others'".

    Where one arm of a set is much smaller, canaries that merely vary more than others would look chosen, too. There
    the differences of its hosts to their shares of the other arm have to be lopsided as well: the smaller of two
    e-values is one as soon as either of them is.

    Args:
        values: (T, H) one number for each host and tick; NaN where there is none. Higher is worse.
        layout: The matched sets.
    """
    logs = _log_of_subsets(values, layout)
    return np.minimum(logs, _log_of_signs(values, layout.pairs())) if _uneven(layout) else logs


def reach(layout: Layout) -> float:
    """Logarithm of the largest e-value that one tick can give: that of the number of ways to choose the canaries."""
    ours, theirs = layout.canary.sum(axis=1), layout.baseline.sum(axis=1)
    if _uneven(layout):
        return float(np.minimum(ours, theirs).sum() * np.log(2))
    return float(_log_choose(ours + theirs, ours).sum())


def _uneven(layout: Layout) -> bool:
    ours, theirs = layout.canary.sum(axis=1), layout.baseline.sum(axis=1)
    return bool((np.maximum(ours, theirs) > UNEVEN * np.minimum(ours, theirs)).any())


def _log_of_subsets(values: Array, layout: Layout) -> Array:
    laid = layout.spread(values)
    deviation = _deviation(laid)
    drawn, sign = _drawn(layout)
    here = np.isfinite(deviation)
    filled = np.where(here, deviation, 0.0) * sign[:, None]
    count = (here & drawn).sum(axis=2)
    total = (filled * drawn).sum(axis=2)
    chances = BETS[:, None, None] * total - _log_subset_mean(filled, here, drawn, count)
    return _log_mean(chances.sum(axis=2))


def _log_of_signs(values: Array, pairs: Layout) -> Array:
    """The same for differences whose signs are a fair coin's if there is no effect: e^x / cosh x of each."""
    laid = pairs.spread(values)
    arms = Arms.of(laid, pairs)
    difference = np.where(arms.precision > 0, arms.canary_mean - arms.baseline_mean, np.nan)
    spread = _spread(difference)
    level = np.abs(arms.baseline_mean).max(axis=1, initial=0.0)
    spread[spread <= 1e-6 * level] = np.inf
    scaled = np.clip(np.nan_to_num(difference / spread[:, None]), -CLIP, CLIP)
    bets = BETS[:, None, None] / 2 * scaled
    return _log_mean((bets - np.logaddexp(bets, -bets) + np.log(2)).sum(axis=2))


def _deviation(laid: Array) -> Array:
    """(T, S, W) distances from the set's mean in units of the hosts' spread. No label is looked at."""
    here = np.isfinite(laid)
    count = here.sum(axis=2, keepdims=True)
    mean = np.where(here, laid, 0.0).sum(axis=2, keepdims=True) / np.maximum(count, 1)
    away = np.where(here, laid - mean, np.nan)
    spread = _spread(away.reshape(len(laid), -1))
    # What differs by less than rounding does not differ.
    level = np.abs(mean).max(axis=(1, 2), initial=0.0)
    spread[spread <= 1e-6 * level] = np.inf
    return np.asarray(np.clip(away / spread[:, None, None], -CLIP, CLIP))


def _spread(away: Array) -> Array:
    """(T,) the spread of hosts around their sets: by the median, which odd hosts cannot move, if that says anything."""
    size = np.sort(np.abs(away), axis=1)  # NaN come last
    count = np.isfinite(size).sum(axis=1)
    middle = size[np.arange(len(size)), np.maximum(count - 1, 0) // 2] if size.shape[1] else np.zeros(len(size))
    mean_square = np.nansum(size**2, axis=1) / np.maximum(count, 1)
    spread = np.maximum(1.4826 * np.nan_to_num(middle), 0.3 * np.sqrt(mean_square))
    return np.where(spread > 0, spread, np.inf)


def _drawn(layout: Layout) -> tuple[Mask, Array]:
    """(S, W) the smaller arm of each set, and (S,) whether it is bet on high or low: fewer subsets to count."""
    canaries, baselines = layout.canary.sum(axis=1), layout.baseline.sum(axis=1)
    small = canaries <= baselines
    return np.where(small[:, None], layout.canary, layout.baseline), np.where(small, 1.0, -1.0)


def _log_subset_mean(filled: Array, here: Mask, drawn: Mask, count: Index) -> Array:
    """(λ, T, S) log of the mean, over all subsets as large as the arm drawn, of exp(λ Σ of the subset).

    The sum over subsets is an elementary symmetric polynomial, built up host by host.
    """
    factors = np.exp(BETS[:, None, None, None] * filled) * here
    most = int(drawn.sum(axis=1).max(initial=0))
    sums = np.zeros((most + 1, *factors.shape[:-1]))
    sums[0] = 1.0
    for host in range(factors.shape[-1]):
        sums[1:] += factors[..., host] * sums[:-1].copy()
    chosen = np.take_along_axis(sums, np.broadcast_to(count, (1, *sums.shape[1:])), axis=0)[0]
    return np.asarray(np.log(chosen) - _log_choose(here.sum(axis=2), count))


def _log_choose(total: Index, chosen: Index) -> Array:
    return np.asarray(gammaln(total + 1.0) - gammaln(chosen + 1.0) - gammaln(total - chosen + 1.0))


def _log_mean(logs: Array) -> Array:
    top = logs.max(axis=0)
    return np.asarray(top + np.log((STAKES[:, None] * np.exp(logs - top)).sum(axis=0)))
