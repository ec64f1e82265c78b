"""How large an effect is, and how surely: hosts as units, pooled over matched sets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr, stdtrit

from tidegate.judge.arms import Arms, Layout
from tidegate.judge.metric import Array


@dataclass(frozen=True)
class Estimate:
    """The canaries' mean less the baselines' at each tick; all (T,).

    Attributes:
        effect: The difference; NaN where nothing can be compared.
        error: Its standard error.
        freedom: Degrees of freedom of that; below 1 nothing is known.
        level_error: Standard error of the baselines' mean, for margins that are a share of it.
    """

    effect: Array
    error: Array
    freedom: Array
    level_error: Array

    def at_least(self, variance: Array, of_level: Array) -> Estimate:
        """The same with variances of at least these: a count is never surer than a Poisson count."""
        return replace(
            self,
            error=np.maximum(self.error, np.sqrt(variance)),
            level_error=np.maximum(self.level_error, np.sqrt(of_level)),
        )

    def half_width(self, chance: Array, share: float = 0.0) -> Array:
        """(T,) how far a bound is from the effect that is crossed with at most this chance at each tick.

        The chances may be spread over ticks (`spending`): by the union bound the bounds then hold at all of them
        together, whatever the dependence over time. Student's t over hosts, which depend on each other hardly at all.

        Args:
            chance: (T,).
            share: The margin as a share of the baselines' level, which is estimated, too.
        """
        return np.where(self.freedom >= 1, self._quantile(chance) * self._error(share), np.inf)

    def chance_to_pass(self, margin: Array, chance: Array, share: float = 0.0) -> Array:
        """(T,) how likely a release that changes nothing would be shown to be within the margin at this very look."""
        freedom = np.maximum(self.freedom, 1.0)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            distance = np.nan_to_num(margin / self._error(share))
        return np.where(self.freedom >= 1, stdtr(freedom, distance - self._quantile(chance)), 0.0)

    def _error(self, share: float) -> Array:
        # Of canaries − (1 + share) × baselines, of which the baselines' part is not independent.
        return np.sqrt(self.error**2 + (2 * share + share**2) * self.level_error**2)

    def _quantile(self, chance: Array) -> Array:
        return np.asarray(-stdtrit(np.maximum(self.freedom, 1.0), chance))


def estimate(values: Array, layout: Layout) -> Estimate:
    """The estimate from (T, H) values: an additive model of sets and the release, by least squares.

    A set's difference counts by its size. The residual is what differs within arms and what sets differ in their
    differences, so pairs (no two hosts of one arm in a set) and large sets go together.
    """
    arms = Arms.of(layout.spread(values), layout)
    difference = arms.canary_mean - arms.baseline_mean
    precision, weights = arms.precision, arms.weights
    whole = precision.sum(axis=1)
    some = whole > 0
    effect = (weights * difference).sum(axis=1)
    between = (precision * (difference - effect[:, None]) ** 2).sum(axis=1)
    hosts = ((arms.canaries + arms.baselines) * (precision > 0)).sum(axis=1)
    freedom = hosts - (precision > 0).sum(axis=1) - 1
    variance = (arms.inner + between) / np.maximum(freedom, 1)
    of_level = variance * (weights**2 / np.maximum(arms.baselines, 1)).sum(axis=1)
    return Estimate(
        np.where(some, effect, np.nan),
        np.sqrt(variance / np.maximum(whole, 1e-300)),
        np.where(some, freedom, 0.0),
        np.sqrt(of_level),
    )
