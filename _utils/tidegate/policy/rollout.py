"""``rollout``: how a release reaches the fleet: in which waves, past which gates, how fast, and what stops it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from tidegate.policy.durations import Duration, between, seconds
from tidegate.policy.errors import unlike
from tidegate.policy.freeze import Freeze
from tidegate.policy.gates import HEALTH, Gate, url
from tidegate.policy.strict import Listed, Name, Several, Strict, one_or_more
from tidegate.policy.waves import DEFAULT_WAVES, EMERGENCY_WAVES, Gates, Soak, WaveRule

OnFailure = Literal["pause", "roll_back_wave", "roll_back_all"]
Told = Literal["started", "promoted", "waiting", "paused", "stopped", "reversing", "finished"]
TOLD: tuple[str, ...] = ("started", "promoted", "waiting", "paused", "stopped", "reversing", "finished")

SHARE = re.compile(r"([0-9]{1,3})%")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _share(value: Any) -> Any:
    if isinstance(value, str):
        match = SHARE.fullmatch(value)
        if not match or int(match[1]) > 100:
            raise unlike("a number of hosts, or a percentage such as '5%'")
        return value
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise unlike("a number of hosts from 0, or a percentage such as '5%'")
    return value


Allowance = Annotated[
    Any,
    BeforeValidator(_share),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]{1,3}%$"}]}),
]
"""A number of hosts, or a percentage of those that change."""


def allowed(allowance: int | str, of: int) -> int:
    """How many hosts an `Allowance` is; of a percentage no part of a host counts."""
    return int(allowance.rstrip("%")) * of // 100 if isinstance(allowance, str) else allowance


def _webhook(text: str) -> str:
    url(text, "https", "http")
    if urlsplit(text).scheme == "http" and urlsplit(text).hostname not in LOOPBACK:
        raise unlike("a URL that begins with https://", "Over http only this machine itself can be told.")
    return text


class Withdrawals(Strict):
    """How many announcements may be withdrawn in a time; a host that would withdraw more waits."""

    most: int = Field(ge=0, description="How many, counted per neighbor and prefix.")
    within: Annotated[Duration, between("10s", "1d")] = Field(default="10m", description="In what time.")


class Budget(Strict):
    """How much may go wrong, over the whole of a rollout."""

    failed_hosts: Allowance = Field(
        default=0, description="Hosts that may fail: a number, or a percentage of those that change."
    )
    unknown_hosts: Allowance = Field(
        default=0, description="Hosts that may not answer: a number, or a percentage of those that change."
    )
    withdrawals: Withdrawals | None = Field(
        default=None, description="How many announcements may be withdrawn how fast; any number unless stated."
    )


class Pace(Strict):
    """How many hosts change at once, and how long they are waited for."""

    slice: int = Field(default=200, ge=1, le=5000, description="Hosts in one job.")
    in_flight: int = Field(default=400, ge=1, le=20000, description="Hosts that may be changing at once.")
    silence: Annotated[Duration, between("5s", "30m")] = Field(
        default="90s", description="How long a host may give no sign of life until it counts as unknown."
    )
    timeout: Annotated[Duration, between("30s", "1h")] = Field(
        default="4m", description="After what time a host undoes a change that was not confirmed."
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.slice > self.in_flight:
            hint = f"{self.slice} hosts in one job, and {self.in_flight} at once, cannot both be."
            raise unlike("a slice of at most in_flight hosts", hint)
        if seconds(self.silence) >= seconds(self.timeout):
            hint = "Else hosts undo changes while they are still waited for."
            raise unlike("silence shorter than timeout", hint)
        return self


class Emergency(Strict):
    """What a rollout with `--emergency` does otherwise: fewer waves and shorter soaks, never none."""

    waves: Listed[WaveRule] = Field(
        default_factory=lambda: EMERGENCY_WAVES,
        description="Its waves, at least two; one host of every class and then the rest unless stated.",
    )
    soak: Annotated[Duration, between("1s", "7d")] | None = Field(
        default=None,
        description="How long its gates must be seen to pass; a quarter of the usual, at least 1s, unless stated.",
    )
    gates: Gates | None = Field(default=None, description="Its gates; the usual ones unless stated.")


class Notification(Strict):
    """Who is told what by a webhook. Salt's event bus is told of everything."""

    webhook: Annotated[str, AfterValidator(_webhook)] = Field(description="An https URL; the event is posted as JSON.")
    events: Annotated[tuple[Told, ...], Several, WithJsonSchema(one_or_more({"enum": list(TOLD)}))] = Field(
        default=("waiting", "paused", "stopped", "reversing", "finished"),
        description="Of what: started, promoted, waiting, paused, stopped, reversing, finished. "
        "Unless stated: waiting, paused, stopped, reversing and finished.",
    )
    secret: Name | None = Field(
        default=None,
        description="Name of a secret in the master's configuration, with which what is posted is signed.",
    )

    def settings(self) -> dict[str, Any]:
        """Plain data; ``secret`` is ``None`` where nothing is signed."""
        return self.model_dump(mode="json")


class Rollout(Strict):
    """How a release reaches the fleet: in which waves, past which gates, how fast, and what stops it."""

    waves: Listed[WaveRule] = Field(description="The waves, in order; together they have every host.")
    soak: Soak = Field(
        default="1m", description="How long a wave's gates must be seen to pass before the next wave; 0s for one look."
    )
    interval: Annotated[Duration, between("1s", "10m")] = Field(
        default="15s", description="Time between two looks of the gates."
    )
    gates: Gates = Field(
        default_factory=lambda: (Gate.word(HEALTH),),
        description="What judges every wave; health does, named or not.",
    )
    inconclusive_rounds: int = Field(
        default=10, ge=1, le=1000, description="Looks on end that may decide nothing before the rollout stops."
    )
    budget: Budget = Field(default_factory=Budget, description="What may go wrong before the rollout stops.")
    on_failure: OnFailure = Field(
        default="roll_back_wave",
        description="What a stop does: pause (wait for people), roll_back_wave, or roll_back_all.",
    )
    pace: Pace = Field(default_factory=Pace, description="How fast hosts are changed within a wave.")
    emergency: Emergency = Field(
        default_factory=Emergency, description="What a rollout with `--emergency` does otherwise."
    )
    freeze: Listed[Freeze] = Field(default=(), description="Times at which no wave begins.")
    notify: Listed[Notification] = Field(default=(), description="Who is told by a webhook.")

    @property
    def emergency_soak(self) -> float:
        """Seconds for which a wave of an emergency soaks; never none."""
        if self.emergency.soak is not None:
            return seconds(self.emergency.soak)
        return max(seconds(self.soak) / 4, 1.0)


DEFAULT = Rollout(waves=DEFAULT_WAVES)
"""What a policy without ``rollout`` has."""
