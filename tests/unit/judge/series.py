"""Series of a small fleet as Prometheus would give them, and ways to spoil them."""

import numpy as np

from tidegate.judge.comparison import Comparison
from tidegate.judge.metric import Definition, Metric, Samples

STEP = 60.0
CHANGED = 100_000.0
WARMUP = 120.0
BEFORE = 30
GAUGE = Definition("load", margin=0.2)
ERRORS = Definition("errors", "counter", margin=0.05, relative=False, quiet=True)


def comparison(pops=10, canaries=3, baselines=3, planned=30):
    """PoPs alike; hosts are called ``c0.p0`` and ``b0.p0``."""
    pairs = {}
    for pop in range(pops):
        others = tuple(f"b{number}.p{pop}" for number in range(baselines))
        pairs |= {f"c{number}.p{pop}": others for number in range(canaries)}
    return Comparison(
        tuple(pairs), pairs, (CHANGED - BEFORE * STEP, CHANGED), CHANGED, WARMUP, STEP, planned, pops_of(pairs)
    )


def pops_of(pairs):
    hosts = {*pairs, *(host for names in pairs.values() for host in names)}
    return {host: host.split(".")[1] for host in hosts}


def hosts_of(chosen):
    return sorted({*chosen.canaries, *(host for names in chosen.baseline.values() for host in names)})


def now(ticks):
    return CHANGED + WARMUP + ticks * STEP


def moments(ticks):
    """A sample every 15 s, on the edges of ticks too, from the first tick before the change to now."""
    return np.arange(CHANGED - BEFORE * STEP, now(ticks) + 1, 15.0)


def gauges(chosen, ticks=30, shift=0.0, seed=1, level=100.0, spread=10.0):
    """Host → samples; canaries are higher by ``shift`` once they are changed."""
    rng = np.random.default_rng(seed)
    times = moments(ticks)
    found = {}
    for host in hosts_of(chosen):
        values = level + spread * rng.standard_normal(len(times))
        if host.startswith("c"):
            values += shift * (times > CHANGED)
        found[host] = Samples(times, values)
    return found


def counters(chosen, ticks=30, rate=0.5, factor=1.0, seed=1):
    """Host → raw totals; ``rate`` events a minute, ``factor`` times as many on canaries once they are changed."""
    rng = np.random.default_rng(seed)
    times = moments(ticks)
    found = {}
    for host in hosts_of(chosen):
        mean = np.full(len(times), rate * 15 / 60)
        if host.startswith("c"):
            mean *= np.where(times > CHANGED, factor, 1.0)
        found[host] = Samples(times, 1000 + np.cumsum(rng.poisson(mean)).astype(float))
    return found


def gauge(chosen, definition=GAUGE, **settings):
    return Metric(definition, gauges(chosen, **settings))


def counter(chosen, definition=ERRORS, **settings):
    return Metric(definition, counters(chosen, **settings))


def spoiled(metric, hosts, spoil):
    """The metric with the series of some hosts changed by ``spoil(times, values)``; ``None`` takes one away."""
    series = dict(metric.series)
    for host in hosts:
        made = spoil(series[host].times, series[host].values.copy())
        if made is None:
            del series[host]
        else:
            series[host] = Samples(*made)
    return Metric(metric.definition, series, metric.exposure, metric.failure)
