"""What one rollout has to know that is not its own: other rollouts, operations, freezes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from tidegate.policy.freeze import frozen
from tidegate.release.operations import PLACES, Operation, applies_to
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
        labels: The labels of its hosts and of those that its floors name; asked for only if an operation needs them.
        moment: Now, by the wall's clock.
    """
    busy = frozenset(
        other.brief.pops[host] for other in others for host, at in other.hosts.items() if at.phase in MOVING
    )
    concerning = [operation for operation in operations if operation.kind in ("pause", *KEPT) or _silences(operation)]
    known: Labels = {}
    if concerning:
        known = labels() if any(_needs_labels(operation) for operation in concerning) else _places(state.brief)
    freeze = frozen(state.brief.freezes, moment)
    return Elsewhere(
        busy,
        _told(state, _under(known, [each for each in concerning if each.kind == "pause"])),
        _told(state, _under(known, [each for each in concerning if each.kind in KEPT])),
        down=frozenset(_under(known, [each for each in concerning if _silences(each)])),
        frozen=str(freeze) if freeze else None,
    )


def _silences(operation: Operation) -> bool:
    """Whether its hosts announce nothing more. A drain of one service or neighbor leaves the others as they are."""
    if operation.kind != "drain" or operation.settings["how"] != "withdraw":
        return False
    return operation.target.keys() <= set(PLACES)


def _under(known: Labels, operations: Sequence[Operation]) -> dict[str, Operation]:
    """Hosts that an operation is about, with the last one that is."""
    return {host: each for each in operations for host, labels in known.items() if applies_to(each, labels)}


def _told(state: State, found: Mapping[str, Operation]) -> dict[str, str]:
    """Host of the rollout → the operation it is under, in words that let somebody find it."""
    return {
        host: f"operation {operation.id}, a {operation.kind} by {operation.who}: {operation.why}"
        for host, operation in found.items()
        if host in state.hosts
    }


def _needs_labels(operation: Operation) -> bool:
    return not operation.target.keys() <= {"host", "pop"}


def _places(brief: Brief) -> Labels:
    return {host: {"host": host, "pop": pop} for host, pop in brief.pops.items()}
