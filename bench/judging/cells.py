"""The cells that are measured: worlds where nothing is wrong, and worlds where something is."""

from __future__ import annotations

import numpy as np

from judging import damage, noise
from judging.world import BEFORE, SPREAD, Cell, Fleet
from tidegate.judge.metric import Definition

PAIRS = Fleet(30, 1, 1)
ONE_POP = Fleet(1, 30, 30)
UNEVEN = Fleet(10, 2, 10)
CANARY_WAVE = Fleet(3, 1, 10)
THREE_PAIRS = Fleet(3, 1, 1)
TWO_HOSTS = Fleet(2, 1, 3)
SINGLE = Fleet(1, 1, 10)

RATE = 0.05
ERRORS = Definition("errors", "counter", margin=0.05, relative=False, quiet=True, unit="/min")
LATENCY = Definition("latency", margin=0.15, log=True)
SERVED = Definition("served", worse="lower", margin=0.1)


def nothing_wrong() -> list[Cell]:
    """A/A: the release does nothing. Every abort is false."""
    plain = Cell("independent minutes", noise.autocorrelated(0.0))
    many = [Cell(f"AR(1) {phi}", noise.autocorrelated(phi)) for phi in (0.5, 0.8, 0.9, 0.98)]
    ar = Cell("AR(1) 0.9", noise.autocorrelated(0.9))
    errors = Cell("", noise.counts(RATE), definition=ERRORS)
    return [
        plain,
        *many,
        ar.but("AR(1) 0.9, 30 pairs in 30 PoPs", fleet=PAIRS),
        ar.but("AR(1) 0.9, 30 + 30 in one PoP", fleet=ONE_POP),
        ar.but("AR(1) 0.9, 20 + 100", fleet=UNEVEN),
        ar.but("AR(1) 0.8, gate of 10 metrics", noise=noise.autocorrelated(0.8), metrics=10),
        Cell("diurnal", noise.diurnal()),
        Cell("PoP, host and arm offsets", noise.offsets()),
        Cell("incident in a third of the PoPs", noise.incident()),
        Cell("restart transient, 2 min of warm-up", noise.restart()),
        Cell("canaries vary 3 × as much", noise.loud_canaries(3)),
        Cell("canaries vary 3 × as much, 20 + 100", noise.loud_canaries(3), fleet=UNEVEN),
        Cell("one odd host, any", noise.one_odd_host()),
        Cell("heavy tails (t of 2), AR(1) 0.5", noise.autocorrelated(0.5, heavy=True)),
        Cell("lognormal, AR(1) 0.8", noise.lognormal()),
        Cell("lognormal, AR(1) 0.8, 20 + 100", noise.lognormal(), fleet=UNEVEN),
        Cell("gaps and hosts gone dark", noise.gaps()),
        errors.but("errors 0.05/min"),
        errors.but("errors 0.05/min, 20 + 100", fleet=UNEVEN),
        errors.but("errors 0.05/min, hosts differ, bursts", noise=noise.counts(RATE, 1.0, 0.1)),
        errors.but("errors 0.001/min", noise=noise.counts(0.001)),
        errors.but("zeros", noise=noise.counts(0.0)),
        *margins(),
        *few_hosts(),
    ]


def margins() -> list[Cell]:
    """A/A, to see which margins can be shown: in standard deviations of matched hosts' changes over the soak."""
    _, change = matched_spread(0.5)
    gauge = Cell("", noise.autocorrelated(0.5))
    return [
        gauge.but(
            f"margin of {part:g} SD of matched changes",
            definition=Definition("m", margin=part * change, relative=False),
        )
        for part in (0.25, 0.5, 0.75, 1.0)
    ]


def exactly_the_margin() -> list[Cell]:
    """The release is as bad as is just not allowed: every pass is false."""
    half = Definition("errors", "counter", margin=1.0, unit="/min")
    gauge = Cell("", noise.autocorrelated(0.9), damage=damage.step(15.0))
    return [
        gauge.but("worse by the margin", noise=noise.autocorrelated(0.5)),
        gauge.but("worse by the margin, AR(1) 0.9, 3 + 30", fleet=CANARY_WAVE),
        gauge.but("worse by the margin, AR(1) 0.9, 3 pairs", fleet=THREE_PAIRS),
        gauge.but("worse by the margin, offsets", noise=noise.offsets()),
        Cell("worse by the margin, errors 0.05/min", noise.counts(RATE), damage.more_events(RATE, 2), definition=half),
        Cell(
            "worse by the margin, errors 0.05/min, 3 + 30",
            noise.counts(RATE),
            damage.more_events(RATE, 2),
            CANARY_WAVE,
            half,
        ),
    ]


def few_hosts() -> list[Cell]:
    """A/A with so few canaries that a model of hosts decides."""
    found = []
    for name, fleet in (("3 + 30", CANARY_WAVE), ("3 pairs", THREE_PAIRS), ("2 + 6", TWO_HOSTS), ("1 + 10", SINGLE)):
        found += [
            Cell(f"{name}: AR(1) 0.9", noise.autocorrelated(0.9), fleet=fleet),
            Cell(f"{name}: lognormal, AR(1) 0.8, logs", noise.lognormal(), fleet=fleet, definition=LATENCY),
            Cell(f"{name}: offsets", noise.offsets(), fleet=fleet),
            Cell(f"{name}: errors 0.05/min", noise.counts(RATE), fleet=fleet, definition=ERRORS),
            Cell(f"{name}: errors 2/min, differ, bursts", noise.counts(2, 2.0, 0.5), fleet=fleet, definition=ERRORS),
        ]
    return found


def matched_spread(phi: float) -> tuple[float, float]:
    """Standard deviations of matched hosts' differences: of a sample, and of the change over the whole soak."""
    rng = np.random.default_rng(3)
    values = noise.autocorrelated(phi)(rng, Fleet(1, 1, 20_000))
    change = values[BEFORE:].mean(axis=0) - values[:BEFORE].mean(axis=0)
    return np.sqrt(2) * SPREAD, np.sqrt(2) * float(change.std())


def something_wrong() -> list[Cell]:
    """The release is bad. Every abort is right."""
    found = []
    for phi in (0.0, 0.5, 0.9):
        sample, change = matched_spread(phi)
        gauge = Cell("", noise.autocorrelated(phi))
        found += [
            gauge.but(f"1 SD of matched samples, AR(1) {phi}", damage=damage.step(sample)),
            gauge.but(f"1 SD of matched changes, AR(1) {phi}", damage=damage.step(change)),
            gauge.but(f"1 SD of matched changes, AR(1) {phi}, 30 pairs", damage=damage.step(change), fleet=PAIRS),
        ]
    sample, _ = matched_spread(0.5)
    gauge = Cell("", noise.autocorrelated(0.5))
    errors = Cell("", noise.counts(RATE), definition=ERRORS)
    wild = Cell("", noise.counts(RATE, 1.0, 0.1), definition=ERRORS)
    return [
        *found,
        gauge.but("1 SD of samples, gate of 10 metrics", damage=damage.step(sample), metrics=10),
        gauge.but("1 SD of samples, gate of 50 metrics", damage=damage.step(sample), metrics=50),
        gauge.but("ramp to 1 SD of samples", damage=damage.ramp(sample)),
        gauge.but("1 SD of samples from tick 16", damage=damage.step(sample, 15)),
        gauge.but("1 SD of samples from tick 26", damage=damage.step(sample, 25)),
        gauge.but("20 + 100: 1 SD of samples", damage=damage.step(sample), fleet=UNEVEN),
        errors.but("errors × 2", damage=damage.more_events(RATE, 2)),
        errors.but("errors × 5", damage=damage.more_events(RATE, 5)),
        errors.but("errors × 5, one pair of hosts", damage=damage.more_events(RATE, 5), fleet=Fleet(1, 1, 1)),
        errors.but("errors × 5, gate of 10 metrics", damage=damage.more_events(RATE, 5), metrics=10),
        wild.but("errors × 5, hosts differ, bursts", damage=damage.more_events(RATE, 5)),
        errors.but("errors × 5 from tick 16", damage=damage.more_events(RATE, 5, 15)),
        errors.but("errors × 20", damage=damage.more_events(RATE, 20)),
        gauge.but("everything down", definition=SERVED, damage=damage.down()),
        Cell("latency + 30 %, lognormal", noise.lognormal(0.3), definition=LATENCY, damage=damage.times(1.3)),
        gauge.but("variance × 9 only", damage=damage.louder(3)),
        gauge.but("one bad canary, 20 spreads", damage=damage.one_host(200)),
        *exactly_the_margin(),
        gauge.but("3 + 30: everything down", definition=SERVED, damage=damage.down(), fleet=CANARY_WAVE),
        errors.but("3 + 30: errors × 20", damage=damage.more_events(RATE, 20), fleet=CANARY_WAVE),
        gauge.but("3 pairs: everything down", definition=SERVED, damage=damage.down(), fleet=THREE_PAIRS),
        gauge.but("2 + 6: everything down", definition=SERVED, damage=damage.down(), fleet=TWO_HOSTS),
        errors.but("2 + 6: errors × 100", damage=damage.more_events(RATE, 100), fleet=TWO_HOSTS),
        gauge.but("1 + 10: everything down", definition=SERVED, damage=damage.down(), fleet=SINGLE),
    ]
