"""What bad releases do to their canaries."""

from __future__ import annotations

import numpy as np

from judging.world import SOAK, Damage, Fleet


def step(by: float, begins: int = 0) -> Damage:
    """Higher by this much, from the tick on at which it begins."""
    return lambda values, fleet, rng: values + by * (np.arange(SOAK) >= begins)[:, None]


def ramp(to: float) -> Damage:
    """Higher and higher, by this much at the end."""
    return lambda values, fleet, rng: values + to * (np.arange(1, SOAK + 1) / SOAK)[:, None]


def times(factor: float) -> Damage:
    """This many times as much."""
    return lambda values, fleet, rng: factor * values


def more_events(rate: float, factor: float, begins: int = 0) -> Damage:
    """Events that happen this many times as often."""

    def make(values: np.ndarray, fleet: Fleet, rng: np.random.Generator) -> np.ndarray:
        more = rng.poisson(rate * (factor - 1), values.shape)
        return values + more * (np.arange(SOAK) >= begins)[:, None]

    return make


def down() -> Damage:
    """Nothing is served any more."""
    return lambda values, fleet, rng: np.zeros_like(values) + rng.random(values.shape)


def one_host(by: float) -> Damage:
    """One canary goes bad."""

    def make(values: np.ndarray, fleet: Fleet, rng: np.random.Generator) -> np.ndarray:
        values = values.copy()
        values[:, rng.integers(values.shape[1])] += by
        return values

    return make


def louder(factor: float) -> Damage:
    """The same mean, more variation."""
    return lambda values, fleet, rng: values.mean() + factor * (values - values.mean())
