"""Worlds to judge in: what hosts do when the release does nothing, and what a bad one does to its canaries.

Time is in ticks of a minute: `BEFORE` before the change, then `SOAK` that are judged. Arrays are (ticks, hosts); the
hosts of a PoP are together, its canaries first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from tidegate.judge.blocks import Blocks
from tidegate.judge.comparison import Comparison
from tidegate.judge.metric import Definition
from tidegate.judge.recording import Recorded, Recording

BEFORE, SOAK = 30, 30
LEVEL, SPREAD = 100.0, 10.0
"""Of a gauge: its level, and how far one host's sample is from it."""

Noise = Callable[[np.random.Generator, "Fleet"], np.ndarray]
"""Makes (ticks, hosts): samples of a gauge, or events of a counter."""
Damage = Callable[[np.ndarray, "Fleet", np.random.Generator], np.ndarray]
"""What the release does to the (SOAK, canaries) part."""


@dataclass(frozen=True)
class Fleet:
    """PoPs alike, each with so many canaries and other hosts."""

    pops: int = 10
    canaries: int = 3
    baselines: int = 3

    @property
    def size(self) -> int:
        """Hosts."""
        return self.pops * (self.canaries + self.baselines)

    @property
    def pop(self) -> np.ndarray:
        """(hosts,) the PoP of each."""
        return np.arange(self.size) // (self.canaries + self.baselines)

    @property
    def is_canary(self) -> np.ndarray:
        """(hosts,) whether it gets the release."""
        return np.arange(self.size) % (self.canaries + self.baselines) < self.canaries

    def comparison(self) -> Comparison:
        """As the engine gives it to the judge. The change is at 0."""
        names = [f"edge{number}.pop{pop}" for number, pop in enumerate(self.pop)]
        others = {
            pop: tuple(n for n, p, c in zip(names, self.pop, self.is_canary, strict=True) if p == pop and not c)
            for pop in range(self.pops)
        }
        canaries = {n: others[p] for n, p, c in zip(names, self.pop, self.is_canary, strict=True) if c}
        return Comparison(
            tuple(canaries),
            canaries,
            (-60.0 * BEFORE, 0.0),
            0.0,
            warmup=0.0,
            step=60.0,
            planned=SOAK,
            pops=dict(zip(names, (f"pop{pop}" for pop in self.pop), strict=True)),
        )


@dataclass(frozen=True)
class Cell:
    """One world and what happens in it.

    Attributes:
        name: In the table.
        noise: What hosts do anyway.
        damage: What the release does; ``None`` if nothing.
        fleet: Its hosts.
        definition: Of the metric.
        metrics: Metrics in the gate; the release damages only the first.
    """

    name: str
    noise: Noise
    damage: Damage | None = None
    fleet: Fleet = field(default_factory=Fleet)
    definition: Definition = field(default_factory=lambda: Definition("metric", margin=15.0, relative=False))
    metrics: int = 1

    def but(self, name: str, **changes: object) -> Cell:
        """The same with changes."""
        return replace(self, name=name, **changes)  # type: ignore[arg-type]


def samples(cell: Cell, rng: np.random.Generator) -> np.ndarray:
    """(metrics, ticks, hosts) of one run."""
    found = []
    for number in range(cell.metrics):
        values = cell.noise(rng, cell.fleet)
        if number == 0 and cell.damage is not None:
            canary = cell.fleet.is_canary
            values[BEFORE:, canary] = cell.damage(values[BEFORE:, canary], cell.fleet, rng)
        found.append(values)
    return np.stack(found)


def recording(cell: Cell, values: np.ndarray) -> Recording:
    """The run as the judge gets it, at the end of the soak."""
    comparison = cell.fleet.comparison()
    if cell.definition.log:
        values = np.log(np.maximum(values, 1e-9))
    hosts = tuple(comparison.pops)
    none = np.zeros(len(hosts))
    weight = np.isfinite(values).astype(float)
    metrics = tuple(
        Recorded(
            replace(cell.definition, name=f"{cell.definition.name} {number}"),
            Blocks(
                hosts,
                _part(one, exposed, slice(None, BEFORE)),
                _part(one, exposed, slice(BEFORE, None)),
                none,
                none,
                none,
            ),
        )
        for number, (one, exposed) in enumerate(zip(values, weight, strict=True))
    )
    return Recording(comparison, 60.0 * SOAK, metrics)


def _part(values: np.ndarray, weight: np.ndarray, ticks: slice) -> np.ndarray:
    return np.stack([np.nan_to_num(values[ticks]), weight[ticks]])
