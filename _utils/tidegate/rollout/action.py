"""What the engine is to do next. Every action may be repeated: it looks at what is there before it does anything."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.rollout.event import Act, Event
from tidegate.rollout.state import Job


@dataclass(frozen=True)
class Look:
    """Ask every host how it stands before anything begins; ends in a ``checked`` event."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """Write this event into the journal."""

    event: Event


@dataclass(frozen=True)
class Launch:
    """Make a job id, write a ``job`` event, then publish to exactly these hosts.

    ``again``: hosts may try what they undid before.
    """

    act: Act
    wave: str
    hosts: tuple[str, ...]
    again: bool = False


@dataclass(frozen=True)
class Follow:
    """Make sure that the job is published, and collect: ends in ``returned`` and ``lost`` events."""

    job: Job


@dataclass(frozen=True)
class Judge:
    """Let the wave's gates judge it; ends in a ``judged`` event of this round."""

    wave: str
    round: int


Action = Look | Record | Launch | Follow | Judge
