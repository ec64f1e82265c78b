"""A rollout that is played over a real store: what hosts do is imitated, everything else is as an engine writes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from play import Play, brief, releases

from tidegate.release import assignments as table
from tidegate.rollout.fold import assignments, fold
from tidegate.rollout.journal import Journal
from tidegate.rollout.lease import Leases


class Stored(Play):
    """One rollout of a store, driven by whoever holds its lease."""

    def __init__(self, store, told, who="ann", why="NET-1", supersedes=None):
        self.journal = Journal(store)
        self.number = self.journal.start(told, who, why, supersedes)
        self.lease = Leases(store).acquire("master1", 3600)
        super().__init__(told)

    def add(self, event):
        """Write an event into the journal: people ask, the engine records."""
        if event.kind == "started":
            written = self.journal.events(self.number)[0]
        elif event.who:
            written = self.journal.ask(self.number, event)
        else:
            assigned = assignments(self.state, event, fold(self.state, [event], self.now))
            (written,) = self.journal.record(self.number, [event], assigned, self.lease.epoch)
            self.assigned.update(assigned)
        self.events.append(written)
        self.state = fold(self.state, [written], self.now)

    def give_up(self, store):
        """The engine ends, or its master does."""
        Leases(store).give_up(self.lease)


def assign(store, wanted):
    """Assign hosts to releases, as a rollout long ago would have."""
    now = datetime.now(timezone.utc)
    with store.database.writing() as connection:
        table.assign(connection, wanted, None, now)


def stored(store, told=None, **changes):
    """A rollout in an empty store, of releases that are really there."""
    told = told or brief(**changes)
    old, new = releases(store, told.before)
    return Stored(store, replace(told, release=new, before=dict.fromkeys(told.before, old)))
