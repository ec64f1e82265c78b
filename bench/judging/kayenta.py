"""Kayenta's judge (NetflixACAJudge), written anew from its published algorithm: the comparison.

One series for all canaries, one for all baselines. Outliers beyond 3 interquartile ranges (or the first and the
last percentile, if these are further) are dropped; then a 98 % interval of the Mann-Whitney (Hodges-Lehmann) shift;
"High" if it is above 0.25 times the estimate itself. Documented in Spinnaker's "Canary judge"; ranks and the
continuity correction are those of R's wilcox.test, as Kayenta says.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

CONFIDENCE = 0.98
TOLERANCE = 0.25
FACTOR = 3.0


def is_high(canary: np.ndarray, baseline: np.ndarray) -> bool:
    """Whether Kayenta classifies the metric as "High", which fails one whose increase is bad."""
    canary, baseline = without_outliers(canary), without_outliers(baseline)
    if not len(canary) or not len(baseline) or np.array_equal(np.sort(canary), np.sort(baseline)):
        return False
    if len(np.unique(np.concatenate([canary, baseline]))) == 1:
        return False
    low, estimate = shift(canary, baseline)
    return low > TOLERANCE * abs(estimate)


def without_outliers(values: np.ndarray) -> np.ndarray:
    """The values within the fences."""
    values = values[np.isfinite(values)]
    if not len(values):
        return values
    # The estimator of Apache Commons Math, positions (n + 1) p.
    first, low, high, last = np.percentile(values, [1, 25, 75, 99], method="weibull")
    reach = FACTOR * (high - low)
    return values[(values >= min(first, low - reach)) & (values <= max(last, high + reach))]


def shift(canary: np.ndarray, baseline: np.ndarray) -> tuple[float, float]:
    """Lower end of the interval of the shift, and its estimate.

    The roots in the shift of (W(shift) - continuity) / σ = quantile. W is a step function that falls by one at each
    difference of two values, so each root is one of these differences.
    """
    m, n = len(canary), len(baseline)
    differences = np.sort((canary[:, None] - baseline[None, :]).ravel())
    total = m + n
    ties = _ties(canary) + _ties(baseline)
    sigma = math.sqrt(m * n / 12 * ((total + 1) - ties / (total * (total - 1))))
    return _root(differences, ndtri((1 + CONFIDENCE) / 2) * sigma), _root(differences, 0.0)


def _root(differences: np.ndarray, excess: float) -> float:
    """The shift at which W, counted from its middle and corrected by a half, falls below ``excess``."""
    half = len(differences) / 2
    above = np.ceil(excess + 0.5 + half) if excess > 0 else half
    position = len(differences) - int(above)
    return float(differences[min(max(position, 0), len(differences) - 1)])


def _ties(values: np.ndarray) -> float:
    counts = np.unique(values, return_counts=True)[1].astype(float)
    return float((counts**3 - counts).sum())
