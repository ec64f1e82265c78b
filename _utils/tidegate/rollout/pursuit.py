"""One job, from its entry in the journal until every host has returned or is given up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.host.errors import Refused, TidegateError
from tidegate.rollout.brief import Pace
from tidegate.rollout.fleet import Fleet
from tidegate.rollout.state import Job
from tidegate.rollout.tasks import Tasks

log = logging.getLogger(__name__)

PUBLISH_AGAIN = 5.0
"""Seconds until a job is published again that the master did not take."""

ASKED = 3
"""How often a host may say that it is not at the job, and have returned nothing, until it is given up."""

LONGEST_QUESTION = 15.0
"""Seconds that hosts have to say whether they are at a job."""


@dataclass(frozen=True)
class Heard:
    """What one look at a job has found: host → what it returned, and host → why it is given up."""

    returned: Mapping[str, Any]
    lost: Mapping[str, str]


class Pursuit:
    """Makes sure that a job is published, collects what hosts return, and asks who is silent.

    Everything may be done again after a restart. A job is published again under its own id only, which no minion runs
    twice; and what it does on a host that has forgotten the id has no second effect (``docs/transaction.md``).
    """

    def __init__(self, job: Job, fleet: Fleet, tasks: Tasks, pace: Pace, now: float, *, new: bool) -> None:
        """Follow a job.

        Args:
            job: As the journal has it.
            fleet: Where.
            tasks: What asks and publishes beside the loop.
            pace: How long a host may be silent.
            now: The engine's clock.
            new: Whether it was made just now: then nobody has published it yet.
        """
        self._jid, self._fleet, self._tasks, self._pace = job.jid, fleet, tasks, pace
        self._begun = now
        self._published: bool | None = False if new else None
        """``None`` if that has to be looked up."""
        self._refused = ""
        self._publish_at = now
        self._heard = dict.fromkeys(job.hosts, now)
        self._asked = dict.fromkeys(job.hosts, now)
        self._denied: dict[str, int] = {}

    def look(self, hosts: Collection[str], publish: Callable[[Collection[str]], None], now: float) -> Heard:
        """Do what is to be done now.

        Args:
            hosts: Those of the job that have not returned.
            publish: Publishes the job to some of its hosts.
            now: The engine's clock.

        Raises:
            Failed: The job cache cannot be read.
        """
        self._take(now)
        if self._refused:
            return Heard({}, dict.fromkeys(hosts, self._refused))
        self._ensure_published(hosts, publish, now)
        returned = self._fleet.returns(self._jid, hosts)
        missing = [host for host in hosts if host not in returned]
        if self._published is not True:
            return Heard(returned, {})
        lost = self._given_up(missing, now)
        self._ask([host for host in missing if host not in lost], publish, now)
        return Heard(returned, lost)

    def _ensure_published(self, hosts: Collection[str], publish: Callable[[Collection[str]], None], now: float) -> None:
        if self._published is None:
            self._published = self._fleet.published(self._jid)
        if self._published is False and now >= self._publish_at:
            # All that are left: those that have returned were reached by a job that we thought was not published.
            self._tasks.start(self._key("publish"), lambda: publish(hosts))
            self._take(now)

    def _take(self, now: float) -> None:
        """What has become of the publishing and of the question."""
        done = self._tasks.take(self._key("publish"))
        if done is not None:
            self._publishing_ended(done.error, now)
        done = self._tasks.take(self._key("running"))
        if done is not None and done.error is None:
            for host, at_it in done.result.items():
                self._heard[host] = now
                self._denied[host] = 0 if at_it else self._denied.get(host, 0) + 1
        done = self._tasks.take(self._key("again"))
        if done is not None and done.error is not None:
            log.warning("Job %s could not be published again: %s", self._jid, done.error)

    def _publishing_ended(self, error: Exception | None, now: float) -> None:
        if error is None:
            self._published = True
            self._heard = dict.fromkeys(self._heard, now)
            self._asked = dict.fromkeys(self._asked, now)
        elif isinstance(error, Refused):
            self._refused = str(error)
        else:
            log.log(logging.WARNING if isinstance(error, TidegateError) else logging.ERROR, "%s", error)
            # It may have gone out all the same: the job cache knows.
            self._published = None
            self._publish_at = now + PUBLISH_AGAIN

    def _given_up(self, hosts: Collection[str], now: float) -> dict[str, str]:
        lost = {}
        most = self._pace.timeout + self._pace.silence
        for host in hosts:
            if self._denied.get(host, 0) >= ASKED:
                lost[host] = "it answers, but is not at the job and has returned nothing"
            elif now - self._heard[host] >= self._pace.silence:
                lost[host] = f"no sign of life for {self._pace.silence:g} s"
            elif now - self._begun >= most:
                lost[host] = f"still at it after {most:g} s"
        return lost

    def _ask(self, hosts: Collection[str], publish: Callable[[Collection[str]], None], now: float) -> None:
        """Ask those of whom nothing was heard for a while; who says that it is not at the job may not have got it."""
        every = self._pace.silence / (ASKED + 1)
        again = [host for host in hosts if self._denied.get(host) == 1]
        if again:
            for host in again:
                self._denied[host] += 1
            self._tasks.start(self._key("again"), lambda: publish(again))
        quiet = [host for host in hosts if now - max(self._heard[host], self._asked[host]) >= every]
        if quiet and not self._tasks.running(self._key("running")):
            self._asked.update(dict.fromkeys(quiet, now))
            seconds = min(every, LONGEST_QUESTION)
            self._tasks.start(self._key("running"), lambda: self._fleet.running(self._jid, quiet, seconds))

    def _key(self, what: str) -> tuple[str, str]:
        return what, self._jid
