"""What is wrong with a metric's data. Each of these keeps it from passing, whatever the numbers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from tidegate.judge.arms import Layout
from tidegate.judge.changes import Changes
from tidegate.judge.comparison import Comparison
from tidegate.judge.metric import Mask
from tidegate.judge.recording import Recorded
from tidegate.judge.risk import Risk

Kind = Literal[
    "definition",
    "provider",
    "empty",
    "baseline",
    "early",
    "past",
    "nan",
    "missing",
    "late",
    "single",
    "reset",
    "constant",
]
MOST_NAMED = 3
STALE = 2.0
"""Ticks without a sample after which a host's data are late."""
SHORTEST = 3
"""Ticks that a series must be seen to move in."""


@dataclass(frozen=True)
class Fault:
    """One fault: its kind, and in words what was seen; the words follow on "the metric is not judged good because"."""

    kind: Kind
    text: str

    def as_dict(self) -> dict[str, str]:
        """The fault as plain data."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Fault:
        """A fault from plain data."""
        return cls(document["kind"], document["text"])


def unusable(recorded: Recorded, comparison: Comparison, layout: Layout) -> Fault | None:
    """What leaves nothing to judge at all."""
    if problem := recorded.definition.problem():
        return Fault("definition", problem)
    if recorded.failure is not None:
        return Fault("provider", f"the provider gave no data: {recorded.failure}")
    if not layout.canary.any():
        return Fault("baseline", _no_baseline(comparison))
    if not recorded.blocks.after.shape[1]:
        return Fault("early", "no tick is complete since the warm-up")
    return _empty(recorded, layout)


def _empty(recorded: Recorded, layout: Layout) -> Fault | None:
    found = recorded.blocks
    arms = {"canaries": layout.canary, "baselines": layout.baseline}
    silent = [name for name, arm in arms.items() if not np.isfinite(found.age[_members(layout, arm)]).any()]
    if not silent:
        return None
    if found.broken.any():
        return Fault("nan", f"every sample of the {silent[0]} is NaN, infinite or, on a logarithmic scale, not above 0")
    if len(silent) == len(arms):
        return Fault("empty", "the query has no data for any of the hosts")
    return Fault("missing", f"none of the {silent[0]} has data")


def blemishes(recorded: Recorded, change: Changes, comparison: Comparison, layout: Layout, risk: Risk) -> list[Fault]:
    """What keeps the metric from passing although something can be said of it."""
    faults = [*_past(recorded, change, layout, risk)]
    for name, arm in (("canaries", layout.canary), ("baselines", layout.baseline)):
        members = _members(layout, arm)
        faults += _data(recorded, change, name, members, comparison, risk)
        if recorded.definition.kind == "gauge":
            faults += _constant(recorded, name, members)
    faults += _resets(recorded, _members(layout, layout.canary))
    if recorded.definition.kind == "counter":
        faults += _silence(recorded, _members(layout, layout.canary))
    return faults


def has_past(recorded: Recorded) -> bool:
    """Whether anything is known of the hosts before the change."""
    return bool((recorded.blocks.before[1] > 0).any())


def _members(layout: Layout, arm: Mask) -> list[int]:
    return [int(member) for member in layout.order[arm]]


def _no_baseline(comparison: Comparison) -> str:
    if not comparison.canaries:
        return "no host of the wave has the release"
    return "no host like the canaries is left without the release to compare them with"


def _named(recorded: Recorded, members: Sequence[int]) -> str:
    names = [recorded.blocks.hosts[member] for member in members]
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _past(recorded: Recorded, change: Changes, layout: Layout, risk: Risk) -> list[Fault]:
    everyone = _members(layout, layout.canary | layout.baseline)
    without = [host for host in everyone if not np.isfinite(change.past[host])]
    if len(without) <= risk.missing * len(everyone):
        return []
    text = f"nothing, or too little, is known from before the change of {_named(recorded, without)}"
    return [Fault("past", f"{text}: a difference may have been there all along")]


def _data(
    recorded: Recorded,
    change: Changes,
    name: str,
    members: Sequence[int],
    comparison: Comparison,
    risk: Risk,
) -> list[Fault]:
    found, faults = recorded.blocks, []
    stale = [host for host in members if found.age[host] > STALE * comparison.step]
    gone = [host for host in members if not np.isfinite(change.level[-1, host])]
    broken = [host for host in gone if found.broken[host]]
    most = risk.missing * len(members)
    if len(broken) > most:
        faults.append(Fault("nan", f"samples of {_named(recorded, broken)} are NaN or infinite"))
    elif len(gone) > most:
        faults.append(Fault("missing", f"{len(gone)} of {len(members)} {name} lack data: {_named(recorded, gone)}"))
    elif len(stale) > most:
        faults.append(
            Fault("late", f"{len(stale)} of {len(members)} {name} have no recent samples: {_named(recorded, stale)}")
        )
    if len(members) - len(gone) < 2:
        faults.append(Fault("single", f"it has one host among the {name}: that may be the host, not the release"))
    return faults


def _constant(recorded: Recorded, name: str, members: Sequence[int]) -> list[Fault]:
    sums, weights = recorded.blocks.after[:, :, members]
    if len(sums) < SHORTEST:
        return []
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(weights > 0, sums / weights, np.nan)
    filled = np.where(np.isfinite(values), values, 0.0)
    reach = np.where(np.isfinite(values), values, -np.inf).max(axis=0) - np.where(
        np.isfinite(values), values, np.inf
    ).min(axis=0)
    still = ~(reach > 1e-6 * np.abs(filled).max(axis=0))
    if still.mean() <= 0.5:
        return []
    return [
        Fault("constant", f"it never changes on {int(still.sum())} of {len(members)} {name}: it may measure nothing")
    ]


def _resets(recorded: Recorded, members: Sequence[int]) -> list[Fault]:
    started_over = [host for host in members if recorded.blocks.resets[host]]
    if not started_over:
        return []
    text = f"the counter started over since the warm-up on {_named(recorded, started_over)}"
    return [Fault("reset", f"{text}: a process restarted, and what it counted last is lost")]


def _silence(recorded: Recorded, members: Sequence[int]) -> list[Fault]:
    if recorded.definition.quiet or recorded.blocks.after[0][:, members].any():
        return []
    return [Fault("constant", "it counted nothing on any canary: it may measure nothing (say quiet if that is normal)")]
