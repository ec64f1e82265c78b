"""The journal of every rollout, in the store: what people asked for and what the engine did, in order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from tidegate.host.plan import canonical
from tidegate.policy.collector import paused
from tidegate.release import assignments
from tidegate.release.schema import EventRow, ReleaseRow, RolloutRow
from tidegate.release.store import Store
from tidegate.rollout import lease
from tidegate.rollout.admission import absent, admit, unfinished
from tidegate.rollout.brief import Brief
from tidegate.rollout.errors import Finished, NoSuchRollout, Overlap
from tidegate.rollout.event import ASKED, Event
from tidegate.rollout.fold import assignments as of_event
from tidegate.rollout.fold import fold
from tidegate.rollout.state import State

BY_START = frozenset(("started", "superseded"))
"""Kinds that only the start of a rollout writes."""

__all__ = ["Finished", "Journal", "NoSuchRollout", "Overlap", "Rollout"]


@dataclass(frozen=True)
class Rollout:
    """What the store says of a rollout without its brief and its journal.

    Attributes:
        number: The order in which they were started.
        release: Id of the release.
        who: The person who started it.
        why: What that person said about it.
        created_at: In UTC.
        finished_at: When it ended; ``None`` before.
        status: What it ended as; ``None`` before.
        supersedes: Number of the rollout that it took over from.
    """

    number: int
    release: str
    who: str
    why: str
    created_at: datetime
    finished_at: datetime | None
    status: str | None
    supersedes: int | None

    def as_dict(self) -> dict[str, Any]:
        """The rollout as plain data."""
        return {
            "number": self.number,
            "release": self.release,
            "who": self.who,
            "why": self.why,
            "created_at": self.created_at.isoformat(timespec="seconds"),
            "finished_at": self.finished_at.isoformat(timespec="seconds") if self.finished_at else None,
            "status": self.status,
            "supersedes": self.supersedes,
        }


class Journal:
    """The rollouts of a store. Several processes may use it at once.

    A `StoreError` out of a method that writes may mean that it was written all the same, when the connection broke
    before the answer came: read `events` again before anything is tried again.
    """

    def __init__(self, store: Store) -> None:
        self._database = store.database

    def start(self, brief: Brief, who: str, why: str, supersedes: int | None = None) -> int:
        """Put a rollout into the store, for the engine to find.

        Args:
            brief: What it is to do.
            who: The person who starts it.
            why: What that person says about it.
            supersedes: A rollout that has not ended. It ends now, and hosts on which its change is under way belong to
                the release that they had before again: the brief has to know that (`given_back`).

        Returns:
            Its number.

        Raises:
            Overlap: Another rollout has some of the hosts.
            Overtaken: Hosts are assigned to something else than the brief was made for.
            NoSuchRelease: The store does not have its release.
            NoSuchRollout: There is none to supersede.
            Finished: That one has ended.
        """
        with self._database.writing() as connection:
            now = _now()
            number = (connection.execute(select(func.max(RolloutRow.number))).scalar() or 0) + 1
            if supersedes is not None:
                _supersede(connection, supersedes, Event("superseded", {"by": number}, who=who, why=why), now)
            release = admit(connection, brief)
            row = {
                "number": number,
                "release": release,
                "brief": canonical(brief.as_dict()),
                "who": who,
                "why": why,
                "created_at": now.replace(microsecond=0),
                "supersedes": supersedes,
            }
            connection.execute(insert(RolloutRow), [row])
            _append(connection, number, [Event("started", {}, who=who, why=why)], now)
            return number

    def given_back(self, number: int) -> dict[str, str | None]:
        """What hosts of a rollout would be assigned to if another one took over now: host → release, or ``None``.

        Raises:
            NoSuchRollout: There is none.
        """
        with self._database.reading() as connection:
            return _given_back(connection, number)

    def rollouts(self, most: int | None = None, active: bool = False) -> list[Rollout]:
        """The rollouts, newest first.

        Args:
            most: How many; all of them without.
            active: Only those that have not ended.
        """
        query = _ROLLOUTS.order_by(RolloutRow.number.desc()).limit(most)
        with self._database.reading() as connection:
            rows = connection.execute(query.where(RolloutRow.finished_at.is_(None)) if active else query)
            return [_rollout(row) for row in rows]

    def rollout(self, number: int) -> Rollout:
        """One of them.

        Raises:
            NoSuchRollout: There is none.
        """
        with self._database.reading() as connection:
            row = connection.execute(_ROLLOUTS.where(RolloutRow.number == number)).one_or_none()
        if row is None:
            raise absent(number)
        return _rollout(row)

    def brief(self, number: int) -> Brief:
        """What it was told.

        Raises:
            NoSuchRollout: There is none.
        """
        with self._database.reading() as connection:
            return _brief(connection, number)

    def events(self, number: int, after: int = 0) -> list[Event]:
        """Its journal, or what came after an event; empty for a rollout that there is not."""
        with self._database.reading() as connection:
            return _events(connection, number, after)

    def ask(self, number: int, event: Event) -> Event:
        """Write down what a person wants of a rollout. The engine acts on it; this only asks.

        Returns:
            The event with its place and time.

        Raises:
            NoSuchRollout: There is none.
            Finished: It has ended.
        """
        if event.kind not in ASKED - BY_START:
            raise ValueError(f"{event.kind} is not what people ask for")
        with self._database.writing() as connection:
            unfinished(connection, number)
            return _append(connection, number, [event], _now())[0]

    def record(self, number: int, events: Sequence[Event], assign: Mapping[str, str | None], epoch: int) -> list[Event]:
        """Write down what the engine has done or seen, with the assignments that follow from it: all or nothing.

        Args:
            number: Of the rollout.
            events: In order. ``finished`` ends the rollout.
            assign: Host → id of the release that it is assigned to from now on, or ``None`` for none any more.
            epoch: Of the lease that the engine holds.

        Returns:
            The events with their places and times.

        Raises:
            Fenced: Another engine has the lease.
            NoSuchRollout: There is none.
            Finished: It has ended.
            NoSuchRelease: A release to assign is not in the store.
        """
        with self._database.writing() as connection:
            lease.check(connection, epoch)
            unfinished(connection, number)
            now = _now()
            written = _append(connection, number, events, now)
            if assign:
                assignments.assign(connection, assign, number, now)
            for event in events:
                if event.kind == "finished":
                    _end(connection, number, event.body["status"], now)
            return written


_ROLLOUTS = select(
    RolloutRow.number,
    ReleaseRow.id.label("release"),
    RolloutRow.who,
    RolloutRow.why,
    RolloutRow.created_at,
    RolloutRow.finished_at,
    RolloutRow.status,
    RolloutRow.supersedes,
).join(ReleaseRow, ReleaseRow.number == RolloutRow.release)

_EVENTS = select(EventRow.body, EventRow.kind, EventRow.seq, EventRow.at, EventRow.who, EventRow.why).order_by(
    EventRow.seq
)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _rollout(row: Any) -> Rollout:
    return Rollout(**row._mapping)


def _brief(connection: Connection, number: int) -> Brief:
    text = connection.execute(select(RolloutRow.brief).where(RolloutRow.number == number)).scalar_one_or_none()
    if text is None:
        raise absent(number)
    with paused():
        return Brief.of(json.loads(text))


def _events(connection: Connection, number: int, after: int = 0) -> list[Event]:
    with paused():
        rows: Sequence[Any] = connection.execute(_EVENTS.where(EventRow.rollout == number, EventRow.seq > after)).all()
        # One call for all of them: a hundred thousand small ones take four times as long.
        bodies = json.loads("[" + ",".join([row[0] for row in rows]) + "]")
        return [Event(row[1], body, row[2], row[3], row[4], row[5]) for row, body in zip(rows, bodies, strict=True)]


def _supersede(connection: Connection, number: int, event: Event, now: datetime) -> None:
    unfinished(connection, number)
    assignments.assign(connection, _given_back(connection, number), number, now)
    _append(connection, number, [event], now)
    _end(connection, number, "superseded", now)


def _given_back(connection: Connection, number: int) -> dict[str, str | None]:
    state = fold(State.new(_brief(connection, number)), _events(connection, number), 0.0)
    end = Event("superseded", {"by": 0})
    return of_event(state, end, fold(state, [end], 0.0))


def _end(connection: Connection, number: int, status: str, now: datetime) -> None:
    end = {"finished_at": now.replace(microsecond=0), "status": status}
    connection.execute(update(RolloutRow).where(RolloutRow.number == number).values(end))


def _append(connection: Connection, number: int, events: Sequence[Event], now: datetime) -> list[Event]:
    last = connection.execute(select(func.max(EventRow.seq)).where(EventRow.rollout == number)).scalar() or 0
    written = [replace(event, seq=last + place, at=now) for place, event in enumerate(events, 1)]
    if written:
        connection.execute(insert(EventRow), [_row(number, event) for event in written])
    return written


def _row(number: int, event: Event) -> dict[str, Any]:
    return {
        "rollout": number,
        "seq": event.seq,
        "at": event.at,
        "kind": event.kind,
        "who": event.who,
        "why": event.why,
        "body": canonical(dict(event.body)),
    }
