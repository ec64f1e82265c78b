"""Reading a rollout as it goes on: its journal, folded as far as it has been read. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from tidegate.release.store import Store
from tidegate.rollout.event import Event
from tidegate.rollout.fold import fold
from tidegate.rollout.journal import Journal
from tidegate.rollout.lease import Leases
from tidegate.rollout.overview import overview
from tidegate.rollout.state import State
from tidegate.rollout.view import Engine, View

GRAIN = 10.0
"""Seconds of a journal that are folded as if they had been one moment."""

RECENT = 5
"""Rollouts among which the last look at hosts is sought."""


class Following:
    """One rollout, followed by somebody who reads.

    The clock that its state is on is that of the journal itself, in POSIX seconds: ages are then right for a rollout
    that began yesterday, and an engine has no use for them.
    """

    def __init__(self, store: Store, number: int) -> None:
        """Read it from its beginning.

        Raises:
            NoSuchRollout: There is none.
            StoreError: The store cannot be used.
        """
        self._journal = Journal(store)
        self._leases = Leases(store)
        self.number = number
        self.state = State.new(self._journal.brief(number))
        self.events: list[Event] = self.read()

    def read(self) -> list[Event]:
        """What has been written since, folded in.

        Raises:
            StoreError: The store cannot be used; nothing is lost by asking again.
        """
        events = self._journal.events(self.number, self.state.seq)
        for moment, some in _moments(events):
            self.state = fold(self.state, some, moment)
        return events

    def view(self, at: datetime | None = None) -> View:
        """What there is to see now."""
        moment = at or datetime.now(timezone.utc)
        return overview(self._journal.rollout(self.number), self.state, self._engine(), moment)

    def _engine(self) -> Engine | None:
        lease = self._leases.current()
        return Engine(lease.holder, lease.until) if lease else None


def _moments(events: Sequence[Event]) -> Iterator[tuple[float, list[Event]]]:
    """Events that were written at about the same time: a fold for each of a hundred thousand would take long."""
    begin, some = 0.0, list[Event]()
    for event in events:
        at = event.at.timestamp() if event.at else 0.0
        if some and abs(at - begin) > GRAIN:
            yield begin, some
            some = []
        if not some:
            begin = at
        some.append(event)
    if some:
        yield begin, some


@dataclass(frozen=True)
class Found:
    """What the look before a rollout found: host → reason."""

    rollout: int
    at: datetime
    problems: Mapping[str, str]


def last_look(store: Store) -> Found | None:
    """The newest of them, if there was one."""
    journal = Journal(store)
    for rollout in journal.rollouts(RECENT):
        for event in reversed(journal.events(rollout.number)):
            if event.kind == "checked" and event.at:
                return Found(rollout.number, event.at, event.body["problems"])
    return None
