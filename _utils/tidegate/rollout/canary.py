"""What a round tells gates that compare a wave with other hosts: when it changed, and with whom. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.rollout.baseline import Labels, baselines
from tidegate.rollout.brief import Brief, PlannedWave
from tidegate.rollout.gates.timing import Timing
from tidegate.rollout.state import ARRIVED, Phase, State

KEPT = frozenset((Phase.WAITING, Phase.SKIPPED))
"""Hosts of later waves that run what they ran before."""


def compares(brief: Brief, wave: PlannedWave) -> bool:
    """Whether some gate of a wave compares hosts."""
    return any(brief.gates.get(name, {}).get("compare") for name in wave.gates)


def told(state: State, wave: PlannedWave, now: float, labels: Callable[[], Mapping[str, Labels]]) -> dict[str, Any]:
    """Fields of a gate's `Context`; none where no gate compares, or nobody knows when the wave changed.

    Args:
        state: The rollout's.
        wave: Which wave.
        now: Unix seconds.
        labels: Asked for hosts' labels, which takes its time, only if they are needed.
    """
    at = state.waves[wave.name]
    if not compares(state.brief, wave) or at.began is None or at.settled is None:
        return {}
    baseline = {host: _kept(state, wave.baseline.get(host, ())) for host in wave.hosts}
    return {
        "timing": Timing(at.began, at.settled, now, wave.soak, at.status == "promoted"),
        "baseline": baseline,
        "pops": state.brief.pops,
        "former": _former(state, tuple(host for host in wave.hosts if not baseline[host]), labels),
    }


def _kept(state: State, names: tuple[str, ...]) -> tuple[str, ...]:
    """Of these hosts those that do not have the release, nor ever had: also those that it does not change."""
    return tuple(host for host in names if host not in state.hosts or state.hosts[host].phase in KEPT)


def _former(
    state: State, lonely: tuple[str, ...], labels: Callable[[], Mapping[str, Labels]]
) -> dict[str, tuple[tuple[str, float], ...]]:
    promoted = [
        (tuple(host for host in wave.hosts if state.hosts[host].phase in ARRIVED), settled)
        for wave in state.brief.waves
        if state.waves[wave.name].status == "promoted" and (settled := state.waves[wave.name].settled) is not None
    ]
    if not lonely or not promoted:
        return {}
    known = labels()
    when = {host: settled for hosts, settled in promoted for host in hosts if host in known}
    # `baselines` takes the last waves first; those that changed longest ago are to come first here.
    waves = [[host for host in hosts if host in known] for hosts, _ in sorted(promoted, key=lambda one: -one[1])]
    found = baselines([[host for host in lonely if host in known], *waves], known)[0]
    return {host: tuple((name, when[name]) for name in names) for host, names in found.items() if names}
