"""What a rollout is to do, fixed when it starts: nothing that changes later in the working tree changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

OnFailure = Literal["pause", "wave", "all"]
"""What a stop leads to: wait for people, roll the wave back, or roll all waves back."""


@dataclass(frozen=True)
class PlannedWave:
    """One wave of a rollout.

    Attributes:
        name: As in the policy.
        hosts: Those of its hosts whose plan changes, sorted.
        baseline: Host → hosts to compare it with, as `waves.Wave` has it.
        soak: Seconds for which its gates must be seen to pass; 0 for one look.
        gates: Names of the gates that judge it, in order; `Brief.gates` has their settings.
    """

    name: str
    hosts: tuple[str, ...]
    baseline: Mapping[str, tuple[str, ...]]
    soak: float
    gates: tuple[str, ...]


@dataclass(frozen=True)
class Floor:
    """A service that must stay up while hosts change.

    Attributes:
        service: Its name.
        min_pops: In how many PoPs it must have a host that is up.
        hosts: The hosts that announce it, before or after.
    """

    service: str
    min_pops: int
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Budget:
    """How many hosts may be left behind before the rollout stops; over the whole of it."""

    failed: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class Breaker:
    """How many announcements may be withdrawn within how many seconds; ``None`` for any number."""

    most: int | None = None
    within: float = 600.0


@dataclass(frozen=True)
class Pace:
    """How fast it goes.

    Attributes:
        slice: Hosts in one job.
        in_flight: Hosts that may be changing at once.
        silence: Seconds without a sign of life after which a host is unknown.
        timeout: Seconds after which a host undoes what was not confirmed.
        interval: Seconds between two rounds of a wave's gates.
        rounds: Inconclusive rounds on end after which the rollout stops.
    """

    slice: int = 200
    in_flight: int = 400
    silence: float = 90.0
    timeout: int = 240
    interval: float = 30.0
    rounds: int = 10


@dataclass(frozen=True)
class Brief:
    """Everything that a rollout was told.

    Attributes:
        release: The id of the release to roll out.
        strategy: ``normal`` or ``emergency``.
        waves: In order. Together they have every host whose plan changes.
        unchanged: Hosts of the fleet (or of the part that was asked for) whose plan is the same in the new release;
            they are assigned to it when the rollout completes.
        before: Host → id of the release it was assigned to; ``None`` for a host that had none.
        pops: Host → PoP, of every host in ``waves`` and of every host that a `Floor` names.
        withdraws: Host → number of announcements it makes less than before; only hosts that do.
        floors: Services that must stay up.
        gates: Gate's name → its settings as plain data, with ``kind`` among them.
        budget: Hosts that may be left behind.
        breaker: Withdrawals that may happen.
        pace: How fast.
        on_failure: What a stop leads to.
        freezes: Windows in which no wave begins, as plain data (`policy.freeze`).
        override_freeze: Somebody said that this rollout goes on in a freeze.
        notify: Where to tell, as plain data.
    """

    release: str
    strategy: Literal["normal", "emergency"]
    waves: tuple[PlannedWave, ...]
    unchanged: tuple[str, ...]
    before: Mapping[str, str | None]
    pops: Mapping[str, str]
    withdraws: Mapping[str, int] = field(default_factory=dict)
    floors: tuple[Floor, ...] = ()
    gates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    breaker: Breaker = field(default_factory=Breaker)
    pace: Pace = field(default_factory=Pace)
    on_failure: OnFailure = "pause"
    freezes: tuple[Mapping[str, Any], ...] = ()
    override_freeze: bool = False
    notify: tuple[Mapping[str, Any], ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host that changes, wave by wave."""
        return tuple(host for wave in self.waves for host in wave.hosts)

    @cached_property
    def wave_of(self) -> Mapping[str, str]:
        """Host that changes → the name of its wave."""
        return {host: wave.name for wave in self.waves for host in wave.hosts}

    def wave(self, name: str) -> PlannedWave:
        """The wave of this name.

        Raises:
            KeyError: There is none.
        """
        return self._waves[name]

    @cached_property
    def _waves(self) -> Mapping[str, PlannedWave]:
        return {wave.name: wave for wave in self.waves}

    def as_dict(self) -> dict[str, Any]:
        """The brief as plain data, for the store."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Brief:
        """A brief from plain data."""
        return cls(
            **{
                **document,
                "waves": tuple(map(_wave, document["waves"])),
                "unchanged": tuple(document["unchanged"]),
                "floors": tuple(
                    Floor(each["service"], each["min_pops"], tuple(each["hosts"])) for each in document["floors"]
                ),
                "budget": Budget(**document["budget"]),
                "breaker": Breaker(**document["breaker"]),
                "pace": Pace(**document["pace"]),
                "freezes": tuple(document["freezes"]),
                "notify": tuple(document["notify"]),
            }
        )


def _wave(document: Mapping[str, Any]) -> PlannedWave:
    return PlannedWave(
        document["name"],
        tuple(document["hosts"]),
        {host: tuple(names) for host, names in document["baseline"].items()},
        document["soak"],
        tuple(document["gates"]),
    )
