"""What one rollout has to know that is not its own: other rollouts, operations, freezes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from tidegate.policy.freeze import frozen
from tidegate.release.operations import Operation, applies_to
from tidegate.rollout.brief import Brief
from tidegate.rollout.safety import Elsewhere
from tidegate.rollout.state import MOVING, State

Labels = Mapping[str, Mapping[str, str]]
"""Host → its labels."""

KEPT = ("hold", "adopt")
"""Operations under which a host keeps what it has."""


def elsewhere(
    state: State,
    others: Iterable[State],
    operations: Sequence[Operation],
    labels: Callable[[], Labels],
    moment: datetime,
) -> Elsewhere:
    """What is so now.

    Args:
        state: The rollout that wants to know.
        others: The rollouts that go on beside it.
        operations: Those in effect.
        labels: The labels of its hosts; asked for only if an operation needs them.
        moment: Now, by the wall's clock.
    """
    busy = frozenset(
        other.brief.pops[host] for other in others for host, at in other.hosts.items() if at.phase in MOVING
    )
    concerning = [operation for operation in operations if operation.kind in ("pause", *KEPT)]
    known: Labels = {}
    if concerning:
        known = labels() if any(_needs_labels(operation) for operation in concerning) else _places(state.brief)
    freeze = frozen(state.brief.freezes, moment)
    return Elsewhere(
        busy,
        frozenset(
            host
            for operation in concerning
            if operation.kind == "pause"
            for host in state.hosts
            if applies_to(operation, known.get(host, {}))
        ),
        {
            host: f"{operation.kind} by {operation.who}: {operation.why}"
            for operation in concerning
            if operation.kind in KEPT
            for host in state.hosts
            if applies_to(operation, known.get(host, {}))
        },
        frozen=str(freeze) if freeze else None,
    )


def _needs_labels(operation: Operation) -> bool:
    return not operation.target.keys() <= {"host", "pop"}


def _places(brief: Brief) -> Labels:
    return {host: {"host": host, "pop": brief.pops[host]} for host in brief.hosts}
