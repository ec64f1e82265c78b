"""Numbers of hosts, laid out as the matched sets are: sets side by side, each with its two arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.judge.comparison import MatchedSet
from tidegate.judge.metric import Array, Index, Mask


@dataclass(frozen=True)
class Layout:
    """Where each host stands. S sets of at most W hosts; shorter ones are filled up with nobody.

    Attributes:
        order: (S, W) positions of hosts in an array of all hosts.
        canary: (S, W) whether this host has the release.
        baseline: (S, W) whether it has not. Both are false where nobody is.
    """

    order: Index
    canary: Mask
    baseline: Mask

    @classmethod
    def of(cls, sets: Sequence[MatchedSet], hosts: Sequence[str]) -> Layout:
        """The layout of these sets, for arrays over ``hosts``."""
        where: Mapping[str, int] = {host: position for position, host in enumerate(hosts)}
        width = max((len(each.canaries) + len(each.baselines) for each in sets), default=0)
        order = np.zeros((len(sets), width), dtype=np.intp)
        arm = np.zeros((len(sets), width), dtype=np.int8)
        for row, each in enumerate(sets):
            names = (*each.canaries, *each.baselines)
            order[row, : len(names)] = [where[name] for name in names]
            arm[row, : len(names)] = [1] * len(each.canaries) + [-1] * len(each.baselines)
        return cls(order, np.asarray(arm == 1), np.asarray(arm == -1))

    def pairs(self) -> Layout:
        """Each set dealt out into as many as its smaller arm has hosts: every one of these against its share."""
        parts: list[tuple[list[int], list[int]]] = []
        for order, canary, baseline in zip(self.order, self.canary, self.baseline, strict=True):
            ours, theirs = [int(host) for host in order[canary]], [int(host) for host in order[baseline]]
            fewer = min(len(ours), len(theirs))
            parts += [(ours[number::fewer], theirs[number::fewer]) for number in range(fewer)]
        width = max((len(ours) + len(theirs) for ours, theirs in parts), default=0)
        place = np.zeros((len(parts), width), dtype=np.intp)
        arm = np.zeros((len(parts), width), dtype=np.int8)
        for row, (ours, theirs) in enumerate(parts):
            place[row, : len(ours) + len(theirs)] = ours + theirs
            arm[row, : len(ours) + len(theirs)] = [1] * len(ours) + [-1] * len(theirs)
        return Layout(place, np.asarray(arm == 1), np.asarray(arm == -1))

    def spread(self, values: Array) -> Array:
        """(T, H) values of hosts as (T, S, W); NaN where nobody is, and in all of a set that lacks an arm."""
        laid: Array = np.where(self.canary | self.baseline, values[:, self.order], np.nan)
        known = np.isfinite(laid)
        whole: Mask = np.any(known & self.canary, axis=2) & np.any(known & self.baseline, axis=2)
        return np.where(whole[:, :, None], laid, np.nan)


@dataclass(frozen=True)
class Arms:
    """Numbers and means of each arm of each set, at each tick; all (T, S). A set without one arm has weight 0.

    Attributes:
        canaries: Hosts with the release that have a value.
        baselines: Hosts without it.
        canary_mean: Mean of the former.
        baseline_mean: Mean of the latter.
        inner: (T,) sum of squares of hosts around the mean of their arm and set.
    """

    canaries: Array
    baselines: Array
    canary_mean: Array
    baseline_mean: Array
    inner: Array

    @classmethod
    def of(cls, laid: Array, layout: Layout) -> Arms:
        """From (T, S, W) values as `Layout.spread` gives them."""
        known = np.isfinite(laid)
        filled = np.where(known, laid, 0.0)
        inner = np.zeros(len(laid))
        found = []
        for arm in (layout.canary, layout.baseline):
            here = known & arm
            count = here.sum(axis=2).astype(np.float64)
            mean = (filled * here).sum(axis=2) / np.maximum(count, 1)
            inner += (np.where(here, filled - mean[:, :, None], 0.0) ** 2).sum(axis=(1, 2))
            found += [count, mean]
        return cls(found[0], found[2], found[1], found[3], inner)

    @property
    def weights(self) -> Array:
        """(T, S) weights of the sets, by what their sizes tell about a difference; they sum to 1 where any set is."""
        precision = self.precision
        return np.asarray(precision / np.maximum(precision.sum(axis=1, keepdims=True), 1e-300))

    @property
    def precision(self) -> Array:
        """(T, S) one over the variance of a set's difference, in units of one over that of a host."""
        return np.asarray(self.canaries * self.baselines / np.maximum(self.canaries + self.baselines, 1))
