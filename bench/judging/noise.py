"""What hosts do when the release does nothing, from tame to hostile."""

from __future__ import annotations

import numpy as np

from judging.world import BEFORE, LEVEL, SOAK, SPREAD, Fleet, Noise

TICKS = BEFORE + SOAK


def autocorrelated(phi: float, heavy: bool = False) -> Noise:
    """AR(1) with this correlation from minute to minute, each host on its own; ``heavy`` with Student's t of 2."""

    def make(rng: np.random.Generator, fleet: Fleet) -> np.ndarray:
        steps = rng.standard_t(2, (TICKS, fleet.size)) if heavy else rng.standard_normal((TICKS, fleet.size))
        state = np.empty_like(steps)
        state[0] = steps[0]
        for tick in range(1, TICKS):
            state[tick] = phi * state[tick - 1] + np.sqrt(1 - phi**2) * steps[tick]
        return LEVEL + SPREAD * state

    return make


def diurnal(phi: float = 0.5) -> Noise:
    """A steep part of the day: the load moves by up to its half within the hour, on each host by its own gain."""
    inner = autocorrelated(phi)

    def make(rng: np.random.Generator, fleet: Fleet) -> np.ndarray:
        gain = np.exp(0.3 * rng.standard_normal(fleet.size)) * (0.5 + rng.random(fleet.pops))[fleet.pop]
        phase = 2 * np.pi * rng.random()
        day = 0.5 * LEVEL * np.sin(2 * np.pi * np.arange(TICKS) / 120 + phase)
        return inner(rng, fleet) + day[:, None] * gain

    return make


def offsets(phi: float = 0.5, arm: float = 20.0) -> Noise:
    """PoPs and hosts differ for good, and the canaries, the same from release to release, are all higher by ``arm``."""
    inner = autocorrelated(phi)

    def make(rng: np.random.Generator, fleet: Fleet) -> np.ndarray:
        pop = 50 * rng.standard_normal(fleet.pops)[fleet.pop]
        return inner(rng, fleet) + pop + 10 * rng.standard_normal(fleet.size) + arm * fleet.is_canary

    return make


def incident(phi: float = 0.5, size: float = 100.0) -> Noise:
    """Something hits all hosts of a third of the PoPs during the soak."""
    inner = autocorrelated(phi)

    def make(rng: np.random.Generator, fleet: Fleet) -> np.ndarray:
        values = inner(rng, fleet)
        hit = rng.permutation(fleet.pops)[: max(1, fleet.pops // 3)]
        begin = BEFORE + rng.integers(SOAK // 2)
        values[begin:, np.isin(fleet.pop, hit)] += size
        return values

    return make


def restart(phi: float = 0.5, size: float = 50.0, lasts: float = 0.5, warmup: float = 2.0) -> Noise:
    """Canaries were restarted ``warmup`` minutes before the first tick; what that does fades within ``lasts``."""
    inner = autocorrelated(phi)

    def make(rng: np.random.Generator, fleet: Fleet) -> np.ndarray:
        values = inner(rng, fleet)
        fading = size * np.exp(-(warmup + np.arange(SOAK)) / lasts)
        values[BEFORE:, fleet.is_canary] += fading[:, None] * rng.exponential(1, fleet.is_canary.sum())
        return values

    return make


def loud_canaries(times: float, phi: float = 0.5) -> Noise:
    """The canaries vary more, around the same mean."""
    inner = autocorrelated(phi)

    def make(rng: np.random.Generator, fleet: Fleet) -> np.ndarray:
        values = inner(rng, fleet)
        part = values[BEFORE:, fleet.is_canary]
        values[BEFORE:, fleet.is_canary] = LEVEL + times * (part - LEVEL)
        return values

    return make


def one_odd_host(phi: float = 0.5, size: float = 200.0) -> Noise:
    """One host, any, goes bad during the soak by itself."""
    inner = autocorrelated(phi)

    def make(rng: np.random.Generator, fleet: Fleet) -> np.ndarray:
        values = inner(rng, fleet)
        values[BEFORE:, rng.integers(fleet.size)] += size
        return values

    return make


def lognormal(sigma: float = 0.7, phi: float = 0.8) -> Noise:
    """Latencies: long tails, dependent minutes, hosts of different speed."""
    inner = autocorrelated(phi)

    def make(rng: np.random.Generator, fleet: Fleet) -> np.ndarray:
        state = (inner(rng, fleet) - LEVEL) / SPREAD
        return LEVEL * np.exp(sigma * state + 0.3 * rng.standard_normal(fleet.size))

    return make


def gaps(phi: float = 0.5, share: float = 0.2) -> Noise:
    """Samples are missing, and some hosts go dark for good."""
    inner = autocorrelated(phi)

    def make(rng: np.random.Generator, fleet: Fleet) -> np.ndarray:
        values = inner(rng, fleet)
        values[rng.random(values.shape) < share] = np.nan
        for host in np.flatnonzero(rng.random(fleet.size) < 0.05):
            values[BEFORE + rng.integers(SOAK) :, host] = np.nan
        return values

    return make


def counts(rate: float, shape: float | None = None, bursts: float | None = None) -> Noise:
    """Events at ``rate`` a minute and host.

    Args:
        rate: Mean events.
        shape: Hosts have rates of their own, gamma distributed with this shape; small is wild. ``None``: all alike.
        bursts: Minutes, too: the smaller, the fewer minutes have all the events.
    """

    def make(rng: np.random.Generator, fleet: Fleet) -> np.ndarray:
        mean = np.full((TICKS, fleet.size), rate)
        if shape is not None:
            mean = mean * rng.gamma(shape, 1 / shape, fleet.size)
        if bursts is not None:
            mean = mean * rng.gamma(bursts, 1 / bursts, mean.shape)
        return rng.poisson(mean).astype(float)

    return make
