"""Whether a rollout may begin, and whether one may still be written to: asked inside the transaction that writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from tidegate.release import assignments
from tidegate.release.errors import NoSuchRelease, Overtaken
from tidegate.release.release import SHORT
from tidegate.release.schema import ReleaseRow, RolloutRow
from tidegate.rollout.brief import Brief
from tidegate.rollout.errors import Finished, NoSuchRollout, Overlap, some


def admit(connection: Connection, brief: Brief) -> int:
    """Let a rollout begin.

    Returns:
        The number of its release.

    Raises:
        NoSuchRelease, Overlap, Overtaken: It may not; see `Journal.start`.
    """
    release = _release(connection, brief.release)
    _disjoint(connection, brief)
    _as_planned(connection, brief)
    return release


def unfinished(connection: Connection, number: int) -> None:
    """Refuse a rollout that has ended.

    Raises:
        NoSuchRollout: There is none.
        Finished: It has.
    """
    query = select(RolloutRow.status, RolloutRow.finished_at).where(RolloutRow.number == number)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise absent(number)
    if row.finished_at is not None:
        raise Finished(f"Rollout {number} has ended ({row.status}): there is nothing more to do about it.")


def absent(number: int) -> NoSuchRollout:
    """What to raise for a rollout that there is not."""
    return NoSuchRollout(f"There is no rollout {number}: see 'tidegate rollout history'.")


def _release(connection: Connection, id_: str) -> int:
    number = connection.execute(select(ReleaseRow.number).where(ReleaseRow.id == id_)).scalar_one_or_none()
    if number is None:
        raise NoSuchRelease(f"The store has no release {id_[:SHORT]} to roll out: see 'tidegate release list'.")
    return number


def _disjoint(connection: Connection, brief: Brief) -> None:
    wanted = {*brief.hosts, *brief.unchanged}
    others = select(RolloutRow.number, RolloutRow.brief).where(RolloutRow.finished_at.is_(None))
    for number, text in connection.execute(others.order_by(RolloutRow.number)):
        if shared := wanted & _hosts(json.loads(text)):
            raise Overlap(number, sorted(shared))


def _hosts(brief: Mapping[str, Any]) -> set[str]:
    return {*brief["unchanged"], *(host for wave in brief["waves"] for host in wave["hosts"])}


def _as_planned(connection: Connection, brief: Brief) -> None:
    found = assignments.of_all(connection)
    moved = sorted(host for host, before in brief.before.items() if found.get(host) != before)
    if moved:
        raise Overtaken(f"The assignment of {some(moved)} has changed since this rollout was planned: plan it again.")
