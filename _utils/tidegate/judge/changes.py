"""What each host changed by: its value since the release less its value before, at each tick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.judge.blocks import Blocks
from tidegate.judge.metric import Array

COVERED = 0.5
"""Share of a window's ticks that a host needs data in to count."""
RECENT = 6
"""The recent window is this part of the planned soak, so that what begins late is not lost in the mean."""


@dataclass(frozen=True)
class Changes:
    """Per host and tick; NaN for a host without enough data.

    Attributes:
        change: (T, H) mean since the warm-up less the mean before the change. Differences between hosts that were there
            before are gone from it.
        recent: (T, H) the same for the last few ticks alone.
        level: (T, H) mean since the warm-up.
        past: (H,) mean before the change.
    """

    change: Array
    recent: Array
    level: Array
    past: Array


def changes(found: Blocks, planned: int) -> Changes:
    """The changes; each row is worked out from what was known at its tick."""
    past = _mean(found.before.sum(axis=1), _share_covered(found.before[1]))
    level = _mean(_windows(found.after, None), _windows(_covered(found.after), None))
    length = max(3, planned // RECENT)
    recent = _mean(_windows(found.after, length), _windows(_covered(found.after), length))
    return Changes(level - past, recent - past, level, past)


def _covered(after: Array) -> Array:
    return np.stack([after[1] > 0, np.ones_like(after[1])])


def _windows(sums: Array, length: int | None) -> Array:
    """(2, T, H) sums over the last ``length`` ticks, or all, up to each tick."""
    whole = np.cumsum(sums, axis=1)
    if length is None or whole.shape[1] <= length:
        return whole
    return np.concatenate([whole[:, :length], whole[:, length:] - whole[:, :-length]], axis=1)


def _share_covered(weights: Array) -> Array:
    share = (weights > 0).mean(axis=0) if len(weights) else np.zeros(weights.shape[1])
    return np.stack([share, np.ones_like(share)])


def _mean(sums: Array, covered: Array) -> Array:
    """Sums over exposures, where enough of the window is covered."""
    with np.errstate(divide="ignore", invalid="ignore"):
        good = (sums[1] > 0) & (covered[0] >= COVERED * covered[1])
        return np.where(good, sums[0] / sums[1], np.nan)
