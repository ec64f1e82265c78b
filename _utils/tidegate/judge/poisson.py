"""The least that counts vary: as a Poisson count would, however alike the hosts happen to be."""

from __future__ import annotations

import numpy as np

from tidegate.judge.arms import Arms, Layout
from tidegate.judge.blocks import Blocks
from tidegate.judge.estimate import Estimate
from tidegate.judge.metric import Array, Mask

HALF = 0.5
"""Of an event, added to each arm: after no event at all something may still happen."""


def at_least_poisson(found: Estimate, blocks: Blocks, layout: Layout) -> Estimate:
    """The estimate of a counter with errors that are not below those of Poisson counts since and before the change."""
    after = np.cumsum(blocks.after, axis=1)
    before = np.broadcast_to(blocks.before.sum(axis=1)[:, None, :], after.shape)
    canaries, baselines = _variances(after, layout)
    return found.at_least(canaries + baselines + sum(_variances(before, layout)), baselines)


def silent_width(blocks: Blocks, layout: Layout, chance: Array) -> tuple[Mask, Array]:
    """(T,) where nothing happened on any host, and (T,) how high the canaries' rate may be all the same.

    That is the upper bound of a Poisson count of 0, the rule of three, at this chance of an error.
    """
    events, exposure = np.cumsum(blocks.after, axis=1)
    everyone, canaries = layout.order[layout.canary | layout.baseline], layout.order[layout.canary]
    watched = exposure[:, canaries].sum(axis=1)
    with np.errstate(divide="ignore"):
        width = np.where(watched > 0, -np.log(chance) / watched, np.inf)
    return np.asarray(~(events[:, everyone] > 0).any(axis=1)), width


def _variances(sums: Array, layout: Layout) -> tuple[Array, Array]:
    """(T,), (T,) variances of the canaries' and the baselines' mean rate; 0 where there is no exposure."""
    events, exposure = (layout.spread(part) for part in sums)
    known = np.isfinite(exposure) & (exposure > 0)
    exposure = np.where(known, exposure, np.nan)
    of_hosts = Arms.of(np.where(known, events / exposure**2, np.nan), layout)
    exposed = Arms.of(exposure, layout)
    return (
        _variance(of_hosts.weights, of_hosts.canaries, of_hosts.canary_mean, exposed.canary_mean),
        _variance(of_hosts.weights, of_hosts.baselines, of_hosts.baseline_mean, exposed.baseline_mean),
    )


def _variance(weights: Array, hosts: Array, of_host: Array, exposed: Array) -> Array:
    whole = (hosts * exposed).sum(axis=1)
    some = whole > 0
    of_mean = (weights**2 * of_host / np.maximum(hosts, 1)).sum(axis=1)
    return np.where(some, of_mean + HALF / np.where(some, whole, 1.0) ** 2, 0.0)
