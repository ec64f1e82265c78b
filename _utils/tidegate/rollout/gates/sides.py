"""Who is compared with whom, and over which times: the judge's comparison of a wave. Pure.

It is worked out anew in every round, from what the journal has: so it is the same in all of them, and after a restart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tidegate.judge.comparison import Comparison
from tidegate.rollout.gates.gate import Context
from tidegate.rollout.gates.timing import Timing

Baseline = Mapping[str, tuple[str, ...]]

SHORTEST = 3
"""Ticks that there must be between a change of former hosts and this one for them to serve as a baseline."""


def comparison(context: Context, timing: Timing) -> Comparison:
    """The comparison that a metrics gate makes.

    A host that nobody without the release is like is compared with hosts of promoted waves, if their change was over
    when the time before this one begins. If that leaves nobody at all to compare with, that time is cut until it does.
    """
    settings = context.settings["judge"]
    step, warmup = settings["tick"], settings["warmup"]
    began, settled = math.floor(timing.began), math.ceil(timing.settled)
    before = settings["before"] or max(2 * timing.soak, SHORTEST * step)
    since = float(began - before)
    baseline = _baseline(context, since - warmup)
    if not any(baseline.values()):
        since = _cut(context, since, began, warmup, step)
        baseline = _baseline(context, since - warmup)
    hosts = {*context.hosts, *(host for names in baseline.values() for host in names)}
    return Comparison(
        canaries=context.hosts,
        baseline=baseline,
        before=(since, float(began)),
        changed=float(settled),
        warmup=warmup,
        step=step,
        planned=max(1, int((timing.soak - warmup) / step + 1e-6)),
        pops={host: context.pops[host] for host in sorted(hosts) if host in context.pops},
    )


def _baseline(context: Context, settled_by: float) -> Baseline:
    def of(host: str) -> tuple[str, ...]:
        own = context.baseline.get(host, ())
        return own or tuple(name for name, settled in context.former.get(host, ()) if settled <= settled_by)

    return {host: of(host) for host in context.hosts}


def _cut(context: Context, since: float, began: float, warmup: float, step: float) -> float:
    """Where the time before has to begin for hosts that changed longest ago to serve."""
    settled = [when for former in context.former.values() for _, when in former]
    first = math.ceil(min(settled)) + warmup if settled else math.inf
    return first if first <= began - SHORTEST * step else since


def evidence(found: Comparison) -> dict[str, Any]:
    """What an evidence has of it: numbers, not names."""
    matched = {host for names in found.baseline.values() for host in names}
    return {"canaries": len(found.canaries), "baselines": len(matched), "settled": found.changed}
