"""The engine: holds the lease, and drives every rollout that has not ended, one pass after another.

It may be killed anywhere. What it has done is in the journal before it is done, and what it does may be done again; so
whoever comes next reads the journal and goes on.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tidegate.host.errors import TidegateError
from tidegate.release.errors import StoreError
from tidegate.release.operations import Operations
from tidegate.release.store import Store
from tidegate.rollout.clock import Attended, Clock, SystemClock
from tidegate.rollout.course import Course
from tidegate.rollout.errors import Fenced, Finished
from tidegate.rollout.fleet import Fleet
from tidegate.rollout.journal import Journal
from tidegate.rollout.judging import Judge
from tidegate.rollout.lease import Lease, Leases
from tidegate.rollout.means import Means, Moment, Told
from tidegate.rollout.trouble import Trouble

log = logging.getLogger(__name__)

LEASE = 30.0
"""Seconds for which the lease is taken: another engine takes over so long after this one was last heard of."""

RENEWALS = 3
"""How often it is renewed in that time."""

SOON = 0.2
"""Seconds until the next step while something goes on beside the loop."""

AFTER_TROUBLE = 5.0
"""Seconds until a rollout is looked at again whose last step failed."""


class Driver:
    """Drives the rollouts of one store, while it holds the lease."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        gates: Judge,
        clock: Clock | None = None,
        holder: str = "engine",
        *,
        lease: float = LEASE,
        told: Told = lambda _course, _events: None,
        options: Mapping[str, Any] | None = None,
        threads: bool = True,
    ) -> None:
        """Prepare; nothing is done before the first step.

        Args:
            store: Where journals are.
            fleet: Where hosts are.
            gates: Judges one gate; called in threads.
            clock: This machine's unless stated.
            holder: This engine's name; after a restart it has the lease at once if it has the same one.
            lease: For how many seconds the lease is taken.
            told: Is told of new events.
            options: The master's configuration, for gates.
            threads: Whether what takes its time is done beside the loop; tests say what happens when.
        """
        self._means = Means(store, fleet, gates, told, options or {}, threads)
        self._clock = clock or SystemClock()
        self._attended = Attended(self._clock)
        self._journal, self._leases, self._operations = Journal(store), Leases(store), Operations(store)
        self._name, self._holder, self._seconds = holder, holder, lease
        self._renewed = 0.0
        self._retry: dict[int, float] = {}
        self._trouble = Trouble(log)
        self._ended = threading.Event()
        self.lease: Lease | None = None
        self.courses: dict[int, Course] = {}
        self.finished: Counter[str] = Counter()
        self.stepped_at: float | None = None

    def step(self) -> bool:
        """One pass over every rollout that has not ended; whether anything was written.

        Raises:
            StoreError: The store cannot be used. Nothing was done; try again.
        """
        now = self._attended.tick()
        try:
            written = self._hold() and self._pass(now)
        except Fenced as error:
            log.warning("%s", error)
            self._forget()
            # Under its old name it would take the lease back at once, if a second engine was started with the same.
            self._holder = f"{self._name}:{secrets.token_hex(4)}"
            return False
        self.stepped_at = self._clock.monotonic()
        return written

    def run(self, interval: float = 1.0, after: Callable[[], None] = lambda: None) -> None:
        """Step after step until `end`, each followed by ``after``; no failure of the store or the fleet ends it."""
        while not self._ended.is_set():
            try:
                written = self.step()
                after()
                self._trouble.over("step")
            except Exception as error:
                self._trouble.at("step", error)
                self._ended.wait(interval)
                continue
            # A step does all that there is to do: what comes next has to arrive first.
            soon = written or any(course.busy for course in self.courses.values())
            self._means.fleet.wait(min(SOON, interval) if soon else interval)
        self._let_go()

    def end(self) -> None:
        """Let `run` return after this step, and others have the lease at once."""
        self._ended.set()

    def _hold(self) -> bool:
        """Take the lease, or renew it; whether we have it."""
        now = self._clock.monotonic()
        if self.lease is None:
            self.lease = self._leases.acquire(self._holder, self._seconds)
            if self.lease is not None:
                log.info("%s drives, with epoch %d", self._holder, self.lease.epoch)
                self._renewed = now
        elif not 0 <= now - self._renewed < self._seconds / RENEWALS:
            self.lease = self._leases.renew(self.lease)
            self._renewed = now
        return self.lease is not None

    def _pass(self, now: float) -> bool:
        assert self.lease is not None
        moment = Moment(now, self._clock.utc(), self.lease.epoch, self._operations.active(self._clock.utc()))
        self._find(now)
        written = False
        for number, course in list(self.courses.items()):
            if self._retry.get(number, now) <= now:
                others = [other.state for other in self.courses.values() if other is not course]
                active = [state for state in others if not state.finished]
                written = self._drive(course, moment, active) or written
        return written

    def _find(self, now: float) -> None:
        """The rollouts that have not ended, oldest first: one that took over comes after the one before it."""
        numbers = sorted(rollout.number for rollout in self._journal.rollouts(active=True))
        for number in self.courses.keys() - set(numbers):
            # Another that took over has ended it: nobody was told of that yet.
            course = self.courses.pop(number)
            course.read(now)
            self.finished[course.state.status] += 1
        for number in numbers:
            if number not in self.courses:
                self.courses[number] = Course(number, self._means, now)

    def _drive(self, course: Course, moment: Moment, others: list[Any]) -> bool:
        """One rollout's trouble is not the others'."""
        try:
            written = course.step(moment, others)
        except (Fenced, StoreError):
            raise
        except Finished:
            # Another has just taken over: the next step finds it gone.
            return False
        except Exception as error:
            self._trouble.at(f"rollout {course.number}", error, unexpected=not isinstance(error, TidegateError))
            self._retry[course.number] = moment.now + AFTER_TROUBLE
            return False
        self._trouble.over(f"rollout {course.number}")
        self._retry.pop(course.number, None)
        return written

    def _forget(self) -> None:
        """Without the lease nothing that is known counts: another engine may have gone on."""
        self.lease = None
        self.courses.clear()
        self._retry.clear()

    def _let_go(self) -> None:
        if self.lease is not None:
            try:
                self._leases.give_up(self.lease)
            except TidegateError as error:
                log.warning("The lease could not be given up: %s", error)
        self._forget()
