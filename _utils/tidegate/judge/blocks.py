"""Raw series to what is judged: per host and tick, how much of what over how much exposure.

A gauge's tick is the sum of its samples over their number; a counter's is its events over its exposure. So the two have
one shape, and a host's value over any window is one sum divided by another. Nothing after this looks at raw samples:
samples of one host depend on each other, hosts hardly do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.judge.comparison import Comparison
from tidegate.judge.metric import Array, Mask, Metric, Samples

LARGEST = 1e18
"""A sample beyond this is none: the last digits of sums and differences of such numbers mean nothing."""


@dataclass(frozen=True)
class Blocks:
    """One metric's data, aligned. H hosts, T complete ticks, B ticks before the change.

    Attributes:
        hosts: The H hosts.
        before: (2, B, H): totals and exposures of the ticks before the change.
        after: (2, T, H): those of the ticks since the warm-up.
        broken: (H,) samples that were NaN, infinite or beyond `LARGEST`.
        resets: (H,) how often a counter started over since the warm-up.
        age: (H,) seconds since the newest sample; infinite without any.
    """

    hosts: tuple[str, ...]
    before: Array
    after: Array
    broken: Array
    resets: Array
    age: Array


def blocks(metric: Metric, comparison: Comparison, hosts: Sequence[str], now: float) -> Blocks:
    """The metric's blocks for these hosts, as far as ticks are complete at ``now``.

    All numbers are rounded to single precision: that is what a recording keeps, so a replay judges the very same.
    """
    since, until = comparison.before
    before = _edges(since, comparison.step, max(0, int((until - since) / comparison.step + 1e-6)))
    after = _edges(comparison.start, comparison.step, comparison.ticks(now))
    build = _counted if metric.definition.kind == "counter" else _averaged
    found = [build(metric, host, before, after) for host in hosts]
    return Blocks(
        tuple(hosts),
        _stack([each.before for each in found], len(before) - 1),
        _stack([each.after for each in found], len(after) - 1),
        _single([each.broken for each in found]),
        _single([each.resets for each in found]),
        _rounded(np.array([now - each.last for each in found], dtype=np.float64)),
    )


def _edges(start: float, step: float, ticks: int) -> Array:
    return np.asarray(start + step * np.arange(ticks + 1), dtype=np.float64)


@dataclass(frozen=True)
class _Host:
    before: Array
    after: Array
    broken: int = 0
    resets: int = 0
    last: float = -np.inf


def _stack(parts: Sequence[Array], ticks: int) -> Array:
    stacked = np.stack(parts, axis=2) if parts else np.zeros((2, ticks, 0))
    return _rounded(stacked)


def _rounded(values: Array) -> Array:
    return values.astype(np.float32).astype(np.float64)


def _single(values: Sequence[float]) -> Array:
    return np.array(values, dtype=np.float64)


def _clean(samples: Samples | None, log: bool = False, counter: bool = False) -> tuple[Array, Array, int]:
    """Times and values of what can be used, and how many samples cannot. No counter is below 0."""
    if samples is None or not len(samples.times):
        return np.empty(0), np.empty(0), 0
    good = np.asarray(np.abs(samples.values) <= LARGEST)
    if log or counter:
        good &= samples.values > 0 if log else samples.values >= 0
    values = samples.values[good]
    return samples.times[good], np.log(values) if log else values, int((~good).sum())


def _averaged(metric: Metric, host: str, before: Array, after: Array) -> _Host:
    times, values, broken = _clean(metric.series.get(host), metric.definition.log)
    last = float(times[-1]) if len(times) else -np.inf
    return _Host(_sums(times, values, before), _sums(times, values, after), broken, 0, last)


def _sums(times: Array, values: Array, edges: Array) -> Array:
    """(2, ticks): sums and numbers of samples in each tick; a sample on an edge belongs to the tick that it ends."""
    ticks = len(edges) - 1
    if ticks < 1:
        return np.zeros((2, 0))
    tick = np.searchsorted(edges, times, side="left") - 1
    inside = (tick >= 0) & (tick < ticks)
    return np.stack(
        [
            np.bincount(tick[inside], weights=values[inside], minlength=ticks),
            np.bincount(tick[inside], minlength=ticks).astype(np.float64),
        ]
    )


def _counted(metric: Metric, host: str, before: Array, after: Array) -> _Host:
    times, values, broken = _clean(metric.series.get(host), counter=True)
    if len(times) < 2:
        return _Host(np.zeros((2, len(before) - 1)), np.zeros((2, len(after) - 1)), broken)
    total, drops = _growth(values)
    resets = int((drops & (times[1:] > after[0])).sum())
    exposure = _exposure(metric.exposure, host, times)
    return _Host(
        _between(times, total, exposure, before),
        _between(times, total, exposure, after),
        broken,
        resets,
        float(times[-1]),
    )


def _growth(values: Array) -> tuple[Array, Mask]:
    """A counter without its resets, and where they were. After a reset it counts from 0, as Prometheus has it."""
    steps = np.diff(values)
    drops = steps < 0
    return np.concatenate([[0.0], np.cumsum(np.where(drops, values[1:], steps))]), drops


def _exposure(exposure: Mapping[str, Samples] | None, host: str, times: Array) -> Array:
    if exposure is None:
        return times
    moments, values, _ = _clean(exposure.get(host), counter=True)
    if len(moments) < 2:
        return np.zeros(len(times))
    return np.interp(times, moments, _growth(values)[0])


def _between(times: Array, total: Array, exposure: Array, edges: Array) -> Array:
    """(2, ticks): growth of a counter and of its exposure from edge to edge; 0 where the series has no sample."""
    seen = np.searchsorted(times, edges + 1e-6) - 1
    known = seen >= 0
    at = np.clip(seen, 0, None)
    parts = []
    for line in (total, exposure):
        value = np.where(known, line[at], line[0])
        parts.append(np.diff(value))
    return np.stack(parts)
