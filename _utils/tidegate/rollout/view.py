"""A rollout as people and programs see it, counted and with every margin: a model that `overview` fills. Pure.

Ages and times left come from when events were written. They are for reading: no decision rests on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from tidegate.rollout.standing import Standing
from tidegate.rollout.state import ARRIVED, FINISHED, MOVING, HostState, Phase

GROUPS: dict[str, frozenset[Phase]] = {
    "has it": ARRIVED,
    "moving": MOVING,
    "waiting": frozenset((Phase.WAITING,)),
    "unknown": frozenset((Phase.UNKNOWN,)),
    "failed": frozenset((Phase.FAILED,)),
    "undone": frozenset((Phase.REVERTED,)),
    "skipped": frozenset((Phase.SKIPPED,)),
    "back": frozenset((Phase.BACK,)),
    "stuck": frozenset((Phase.STUCK,)),
}
"""Phases as columns. A host that is unknown is in none but its own."""

Counts = Mapping[str, int]
"""Phase's name → hosts; phases without hosts are left out."""


@dataclass(frozen=True)
class Engine:
    """The engine that holds the lease, and until when unless it renews it."""

    holder: str
    until: datetime


@dataclass(frozen=True)
class GateView:
    """A gate of a wave and its last verdict; ``outcome`` is ``None`` before its first; ``then`` as `verdict.Then`."""

    name: str
    outcome: str | None
    reason: str
    evidence: Mapping[str, Any]
    then: str = ""

    @property
    def said(self) -> str:
        """The outcome in a word for people."""
        return "watching" if self.then == "wait" else self.outcome or "not asked yet"


@dataclass(frozen=True)
class WaveView:
    """One wave; soaks in seconds. ``approval`` is ``None`` where none is wanted, and empty until somebody approves."""

    name: str
    status: str
    hosts: int
    counts: Counts
    soak: float
    soaked: float
    round: int
    inconclusive: int
    approval: str | None
    gates: tuple[GateView, ...]

    @property
    def soak_left(self) -> float:
        """Seconds for which its gates have yet to be seen to pass."""
        return max(self.soak - self.soaked, 0.0)


@dataclass(frozen=True)
class PopView:
    """The hosts of one PoP, and the waves in which they are."""

    pop: str
    hosts: int
    counts: Counts
    waves: tuple[str, ...]


@dataclass(frozen=True)
class Margin:
    """What is left of a limit: ``left`` below zero is a limit broken; ``None`` is none at all."""

    name: str
    used: int
    limit: int | None
    left: int | None


@dataclass(frozen=True)
class JobView:
    """A job whose outcome is not all known, and for how many seconds."""

    jid: str
    act: str
    wave: str
    hosts: tuple[str, ...]
    age: float


@dataclass(frozen=True)
class HostView:
    """A host that needs a look: why, and how often it was tried."""

    host: str
    pop: str
    wave: str
    phase: str
    reason: str
    tries: int


@dataclass(frozen=True)
class View:
    """All of it.

    Attributes:
        number: The rollout's.
        release: The release's id.
        before: Ids of the releases that its hosts had, the most frequent first; ``None`` for none.
        strategy: ``normal`` or ``emergency``.
        who: Who started it, and ``why``.
        status: As `State.status`; ``reason`` says why it is not simply running.
        standing: What that comes to.
        approval: The wave that waits for somebody's approval and nothing else.
        waiting: What keeps the next host from beginning.
        counts: Of all hosts that change; ``unchanged`` counts those whose plan stays the same.
        floors: In how many PoPs each service is up, and in how many it must be.
        budgets: Hosts left behind, and announcements withdrawn.
        hosts: Those that failed, are unknown, undid the release, are stuck or were skipped.
        problems: Host → what the look before the start found.
        engine: Who drives rollouts; ``None`` if nobody does, and then nothing moves.
        seq: The last event counted in.
        at: For when this holds.
    """

    number: int
    release: str
    before: tuple[str | None, ...]
    strategy: str
    who: str
    why: str
    created_at: datetime
    finished_at: datetime | None
    supersedes: int | None
    status: str
    reason: str
    standing: Standing
    approval: str | None
    waiting: str | None
    counts: Counts
    unchanged: int
    waves: tuple[WaveView, ...]
    pops: tuple[PopView, ...]
    floors: tuple[Margin, ...]
    budgets: tuple[Margin, ...]
    jobs: tuple[JobView, ...]
    hosts: tuple[HostView, ...]
    problems: Mapping[str, str]
    going_back: tuple[str, ...]
    on_failure: str
    engine: Engine | None
    seq: int
    at: datetime

    @property
    def current(self) -> WaveView | None:
        """The first wave that is not promoted."""
        return next((wave for wave in self.waves if wave.status != "promoted"), None)

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self.status in FINISHED

    @property
    def total(self) -> int:
        """Hosts that change."""
        return sum(self.counts.values())

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        data = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("waves", "pops", "floors", "budgets", "jobs", "hosts"):
            data[name] = [asdict(item) for item in data[name]]
        for data_wave, wave in zip(data["waves"], self.waves, strict=True):
            data_wave["soak_left"] = wave.soak_left
        for name in ("created_at", "finished_at", "at"):
            data[name] = data[name].isoformat() if data[name] else None
        engine = self.engine
        data["engine"] = {"holder": engine.holder, "until": engine.until.isoformat()} if engine else None
        data["standing"] = self.standing.value
        return data


def counted(hosts: Iterable[HostState]) -> dict[str, int]:
    """Hosts by phase, in the order in which hosts pass through them."""
    found = dict.fromkeys(Phase, 0)
    for host in hosts:
        found[host.phase] += 1
    return {phase.value: count for phase, count in found.items() if count}


def grouped(counts: Counts) -> dict[str, int]:
    """Counts by phase as counts by column of `GROUPS`, zeros with them."""
    return {name: sum(counts.get(phase.value, 0) for phase in phases) for name, phases in GROUPS.items()}
