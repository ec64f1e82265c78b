"""What was changed on hosts by hand: asked for, undone by a highstate, or accepted as it is. Over any `Fleet`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from tidegate.host.errors import Refused
from tidegate.policy.errors import suggest
from tidegate.release.assignments import Assignments
from tidegate.release.operations import Operation, Operations
from tidegate.release.store import Store
from tidegate.rollout.applying import Applied, apply
from tidegate.rollout.fleet import Fleet

ANSWER = 30.0
"""Seconds that hosts have to say how they stand."""


@dataclass(frozen=True)
class Drift:
    """What differs on one host.

    Attributes:
        host: Its name.
        id: Names exactly these differences; others have another.
        lines: Subsystem → what differs.
        adopted: The operation by which somebody accepted exactly this, if somebody did.
    """

    host: str
    id: str
    lines: Mapping[str, Sequence[str]]
    adopted: Operation | None = None

    def as_dict(self) -> dict[str, Any]:
        """The drift as plain data."""
        return {
            "host": self.host,
            "id": self.id,
            "lines": {name: list(lines) for name, lines in self.lines.items()},
            "adopted": self.adopted.as_dict() if self.adopted else None,
        }


@dataclass(frozen=True)
class Drifts:
    """What hosts said: those that differ, how many do not, and why nothing is known of the others."""

    found: tuple[Drift, ...] = ()
    clean: int = 0
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def unexplained(self) -> list[Drift]:
        """Those that nobody accepted."""
        return [drift for drift in self.found if drift.adopted is None]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "drift": [drift.as_dict() for drift in self.found],
            "clean": self.clean,
            "unknown": dict(self.unknown),
        }


def drifts(store: Store, fleet: Fleet, hosts: Collection[str] = (), seconds: float = ANSWER) -> Drifts:
    """Ask hosts what was changed on them; without names, every host that has a release.

    Raises:
        Refused: A host that was named has no release, or no host has one.
        Failed: They could not be asked.
    """
    wanted = _known(store, hosts)
    adopted = {
        (operation.target.get("host"), operation.settings.get("drift")): operation
        for operation in Operations(store).active(datetime.now(timezone.utc))
        if operation.kind == "adopt"
    }
    answers = fleet.ask("traffic.report", wanted, {}, seconds)
    found, clean, unknown = [], 0, {}
    for host in wanted:
        report: Any = answers.get(host)
        if reason := _unreadable(report):
            unknown[host] = reason
        elif not report["drift_id"]:
            clean += 1
        else:
            id_ = str(report["drift_id"])
            found.append(Drift(host, id_, report["drift"], adopted.get((host, id_))))
    return Drifts(tuple(found), clean, unknown)


def restore(store: Store, fleet: Fleet, hosts: Collection[str], seconds: float) -> dict[str, Applied]:
    """Have hosts apply what they are served, and undo what was changed by hand with it.

    Raises:
        Refused: No host was named, or one that has no release.
        Failed: They could not be told.
    """
    if not hosts:
        raise Refused("No host was named to restore: missing never means all.")
    return apply(fleet, _known(store, hosts), seconds)


def adopt(store: Store, found: Drifts, host: str, who: str, why: str, until: datetime | None = None) -> Operation:
    """Accept what was changed on a host, exactly as it is now: highstates and rollouts then leave it alone.

    Raises:
        Refused: There is no drift to accept, or it cannot be seen, or somebody has accepted it.
    """
    if host in found.unknown:
        raise Refused(f"What was changed on {host} cannot be seen: {found.unknown[host]}. Nothing was adopted.")
    drift = next((each for each in found.found if each.host == host), None)
    if drift is None:
        raise Refused(f"{host} runs what it was given: there is nothing to adopt.")
    if drift.adopted is not None:
        raise Refused(f"{drift.adopted.who} adopted this drift of {host} already (operation {drift.adopted.id}).")
    return Operations(store).add("adopt", {"host": host}, {"drift": drift.id}, who=who, why=why, until=until)


def _known(store: Store, hosts: Collection[str]) -> list[str]:
    assigned = Assignments(store).all()
    if not assigned:
        raise Refused("No host has a release yet: there is nothing that it could differ from.")
    for host in hosts:
        if host not in assigned:
            raise Refused(f"No release is assigned to '{host}'. {suggest(host, assigned)}".rstrip())
    return sorted(hosts) if hosts else list(assigned)


def _unreadable(report: Any) -> str | None:
    """Why a report says nothing about drift, if it does not."""
    if report is None:
        return "it did not answer"
    if not isinstance(report, Mapping) or not {"drift", "drift_id"} <= report.keys():
        return f"it answered something else: {str(report)[:200]}"
    if report["drift"] is None:
        return str(report.get("drift_reason") or "it gave no reason")
    return None
