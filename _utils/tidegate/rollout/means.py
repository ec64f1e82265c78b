"""What rollouts under way are driven with, and what is the same for all of them at one step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.release.operations import IN_PLANS, Operation
from tidegate.release.store import Store
from tidegate.rollout.event import Event
from tidegate.rollout.fleet import Fleet
from tidegate.rollout.judging import Judge

if TYPE_CHECKING:
    from tidegate.rollout.course import Course

Told = Callable[["Course", Sequence[Event]], None]
"""Who is told of events, once they are in the journal."""


@dataclass(frozen=True)
class Means:
    """What a course works with.

    Attributes:
        store: Where the journal and the releases are.
        fleet: Where hosts are.
        judge: Judges one gate.
        told: Is told of new events.
        options: The master's configuration, for gates.
        threads: Whether what takes its time is done beside the loop.
    """

    store: Store
    fleet: Fleet
    judge: Judge
    told: Told = lambda _course, _events: None
    options: Mapping[str, Any] = field(default_factory=dict)
    threads: bool = True


@dataclass(frozen=True)
class Moment:
    """What all courses of one step share.

    Attributes:
        now: The engine's own clock, which never jumps.
        wall: What the wall's clock says.
        epoch: Of the lease.
        operations: Those in effect.
    """

    now: float
    wall: datetime
    epoch: int
    operations: Sequence[Operation] = ()

    @property
    def drains(self) -> bool:
        """Whether plans are served with drains or weights put to them."""
        return any(operation.kind in IN_PLANS for operation in self.operations)
