"""Where a rollout stands: what its journal folds to. Nothing here is stored; every restart works it out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from tidegate.rollout.brief import Brief, PlannedWave
from tidegate.rollout.event import Act
from tidegate.rollout.verdict import Verdict


class Phase(str, Enum):
    """Where one host stands."""

    WAITING = "waiting"
    """It has what it had before."""
    APPLYING = "applying"
    APPLIED = "applied"
    """It runs the release, and undoes it unless that is confirmed."""
    CONFIRMING = "confirming"
    OK = "ok"
    """It ran the plan already."""
    CHANGED = "changed"
    """It runs the release, confirmed."""
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It did not answer. That is never success, and it may run anything."""
    REVERTED = "reverted"
    """It tried the release and undid it."""
    SKIPPED = "skipped"
    """Somebody said that it keeps what it has."""
    RETURNING = "returning"
    """A job brings it back to what it had before."""
    BACK = "back"
    STUCK = "stuck"
    """It could not be brought back; people have to look."""


ARRIVED = frozenset((Phase.OK, Phase.CHANGED))
"""The host has the release, for good."""
LEFT_BEHIND = frozenset((Phase.FAILED, Phase.UNKNOWN, Phase.REVERTED))
"""The wave goes on without the host if the budget allows; it is assigned to what it had before."""
MOVING = frozenset((Phase.APPLYING, Phase.APPLIED, Phase.CONFIRMING, Phase.RETURNING))
"""A change of the host is under way."""
UNSETTLED = MOVING | {Phase.WAITING}
"""The wave is not complete while a host of it is here."""
TOUCHED = ARRIVED | LEFT_BEHIND | MOVING - {Phase.RETURNING}
"""The host may run something of the release: a rollback brings it back."""

WaveStatus = str
"""``waiting``, ``running``, ``judging``, ``promoted``, ``stopped``, ``returning``, ``back``."""

FINISHED = frozenset(("completed", "rolled-back", "aborted", "superseded"))
ACTIVE = ("checking", "blocked", "running", "paused", "stopped", "reversing", "aborting")
"""``checking``: hosts are looked at before anything begins. ``blocked``: that look found something. ``running``.
``paused``: somebody said so, or a gate that needs people. ``stopped``: a budget or a gate said so. ``reversing``: waves
go back. ``aborting``: what is under way is undone."""


@dataclass(frozen=True)
class HostState:
    """One host: its phase, why, how often it was tried, and the job it is in.

    ``again``: what it undid before may be tried once more. ``since``: when its phase began, of the clock that never
    jumps.
    """

    phase: Phase = Phase.WAITING
    reason: str = ""
    tries: int = 0
    jid: str | None = None
    again: bool = False
    since: float = 0.0


@dataclass(frozen=True)
class WaveState:
    """One wave.

    Attributes:
        status: See `WaveStatus`.
        soaked: Seconds for which its gates were seen to pass. Only what was watched counts: no clock can jump over it.
        round: Rounds of its gates so far.
        inconclusive: How many of the last rounds on end decided nothing.
        approved: Who approved it.
        verdicts: Those of its last round.
        since: When it was judged last, or its last host settled; of the clock that never jumps.
        began: When its first host was sent the release, in Unix seconds as the journal has it. Figures of other
            machines have no other clock; nothing but a comparison with them rests on it.
        settled: When its last host settled, likewise.
    """

    status: WaveStatus = "waiting"
    soaked: float = 0.0
    round: int = 0
    inconclusive: int = 0
    approved: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    since: float = 0.0
    began: float | None = None
    settled: float | None = None


@dataclass(frozen=True)
class Job:
    """A job whose outcome is not all known.

    Attributes:
        jid: Its id, which is ours.
        act: What it does.
        wave: For which wave.
        hosts: Those that have not returned.
        since: When this engine came to know of it; seconds of a clock that never jumps.
    """

    jid: str
    act: Act
    wave: str
    hosts: frozenset[str]
    since: float


@dataclass(frozen=True)
class State:
    """A rollout.

    Attributes:
        brief: What it was told.
        status: One of `ACTIVE` or `FINISHED`.
        reason: Why it is not simply running.
        waves: By name, in order.
        hosts: Of all waves.
        jobs: Those under way, by jid.
        waiting: What keeps it from beginning the next host, if something does.
        going_back: Waves that are to go back, in the order in which they do.
        after_reverse: What it is then: ``rolled-back``, or ``stopped`` when only some waves go back.
        withdrawn: When how many announcements were withdrawn: (seconds of the clock that never jumps, number).
        problems: Host → what the look before the start found.
        cleared: Whether that look found nothing, or nothing that still counts.
        seq: The last event that is folded in.
    """

    brief: Brief
    status: str = "checking"
    reason: str = ""
    waves: Mapping[str, WaveState] = field(default_factory=dict)
    hosts: Mapping[str, HostState] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    waiting: str | None = None
    going_back: tuple[str, ...] = ()
    after_reverse: str = "rolled-back"
    withdrawn: tuple[tuple[float, int], ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    cleared: bool = False
    seq: int = 0

    @classmethod
    def new(cls, brief: Brief) -> State:
        """Before its first event."""
        return cls(
            brief,
            waves={wave.name: WaveState() for wave in brief.waves},
            hosts=dict.fromkeys(brief.hosts, HostState()),
        )

    @property
    def finished(self) -> bool:
        """Whether nothing will happen any more."""
        return self.status in FINISHED

    @property
    def current(self) -> PlannedWave | None:
        """The first wave that is not promoted; ``None`` when all are."""
        return next((wave for wave in self.brief.waves if self.waves[wave.name].status != "promoted"), None)

    def count(self, wave: PlannedWave) -> dict[Phase, int]:
        """Hosts of a wave by phase; phases without hosts are left out."""
        found: dict[Phase, int] = {}
        for host in wave.hosts:
            phase = self.hosts[host].phase
            found[phase] = found.get(phase, 0) + 1
        return found
