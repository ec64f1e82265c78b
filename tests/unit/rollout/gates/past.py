"""A fleet's past, as a Prometheus has it: an hour before a change and forty minutes after it, one series a host.

Metrics are called what is wrong with them. Hosts are ``c0.p3`` (has the release) and ``b0.p3`` (has not): three of each
in eight PoPs.
"""

import time

import numpy as np

from tidegate.rollout.gates.timing import Timing

POPS = 8
CANARIES = tuple(f"c{number}.p{pop}" for pop in range(POPS) for number in range(3))
BASELINE = {host: tuple(f"b{number}.{host.split('.')[1]}" for number in range(3)) for host in CANARIES}
BASELINES = tuple(sorted({name for names in BASELINE.values() for name in names}))
HOSTS = (*CANARIES, *BASELINES)
SCRAPED = 15.0
AFTER = 2400.0
CHANGED = float(int(time.time()) - AFTER - 300)
TIMES = np.arange(CHANGED - 4500, CHANGED + AFTER, SCRAPED)
NEW = TIMES > CHANGED + 30
HALFWAY = CHANGED + 1200


def timing(minutes, soak=1800.0, **more):
    """So many minutes after the change, which took 30 seconds."""
    return Timing(CHANGED, CHANGED + 30, CHANGED + 30 + 60 * minutes, soak, **more)


def text():
    """All of it, as OpenMetrics."""
    rng = np.random.default_rng(7)
    lines = []
    for name, make in METRICS.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        lines.append(f"# TYPE {name.removesuffix('_total')} {kind}")
        for host in HOSTS:
            values = make(rng, host)
            if values is not None:
                series = f'{name}{{host="{host}"}}'
                lines += [
                    f"{series} {_number(value)} {at:.0f}"
                    for at, value in zip(TIMES, values, strict=True)
                    if value is not None
                ]
    return "\n".join([*lines, "# EOF\n"])


def _number(value):
    return "NaN" if np.isnan(value) else f"{value:.6g}"


def _new(host):
    return NEW & host.startswith("c")


def _level(rng, host, shift=0.0, everybody=0.0):
    noise = 100 + 5 * rng.standard_normal(len(TIMES))
    return noise + shift * _new(host) + everybody * NEW


def _count(rng, host, factor=1.0, rate=0.2):
    return 1000.0 + np.cumsum(rng.poisson(SCRAPED * rate * np.where(_new(host), factor, 1.0)))


def _cut(values, since, hosts, host):
    """Nothing is measured any more from a moment on."""
    return [None if at > since and host in hosts else value for at, value in zip(TIMES, values, strict=True)]


def _nan(rng, host):
    return np.where(_new(host), np.nan, _level(rng, host)) if host in CANARIES[:12] else _level(rng, host)


def _reset(rng, host):
    values = _count(rng, host)
    late = TIMES > HALFWAY
    return np.where(late, values - values[~late][-1], values) if host == CANARIES[0] else values


METRICS = {
    "good": _level,
    "good_total": _count,
    "requests_total": lambda rng, host: _count(rng, host, rate=10.0),
    "worse": lambda rng, host: _level(rng, host, shift=20),
    "worse_total": lambda rng, host: _count(rng, host, factor=8.0),
    "incident": lambda rng, host: _level(rng, host, everybody=50),
    "share": lambda rng, host: rng.uniform(0.9, 1.0, len(TIMES)),
    "slow": lambda rng, host: np.exp(rng.normal(3, 0.3, len(TIMES)) + 0.4 * _new(host)),
    "noisy": lambda rng, host: _level(rng, host) + 100 * rng.standard_normal(),
    "wild": lambda rng, host: _level(rng, host) + np.where(NEW, 60 * rng.standard_normal(), 0.0),
    "broken": _nan,
    "no_canaries": lambda rng, host: None if host in CANARIES else _level(rng, host),
    "no_baselines": lambda rng, host: None if host in BASELINES else _level(rng, host),
    "no_past": lambda rng, host: [v if at > CHANGED else None for at, v in zip(TIMES, _level(rng, host), strict=True)],
    "ended": lambda rng, host: _cut(_level(rng, host), CHANGED + 600, CANARIES[:8], host),
    "still": lambda rng, host: np.full(len(TIMES), 3.0),
    "silent_total": lambda rng, host: np.full(len(TIMES), 9.0),
    "reset_total": _reset,
}
