"""One rollout as this engine drives it: its journal read and folded, and what is due done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tidegate.host.errors import TidegateError
from tidegate.rollout import canary, machine
from tidegate.rollout.accepted import Accepted
from tidegate.rollout.action import Action, Follow, Judge, Launch, Look, Record
from tidegate.rollout.elsewhere import elsewhere
from tidegate.rollout.event import ASKED, Event
from tidegate.rollout.fold import assignments, fold
from tidegate.rollout.gates.gate import Context
from tidegate.rollout.inspection import problems
from tidegate.rollout.journal import Journal
from tidegate.rollout.judging import Round, gates_of, judged, passed, plan_of
from tidegate.rollout.means import Means, Moment
from tidegate.rollout.outcomes import read
from tidegate.rollout.pursuit import Heard, Pursuit
from tidegate.rollout.reports import reports
from tidegate.rollout.request import request
from tidegate.rollout.state import ARRIVED, Job, State
from tidegate.rollout.tasks import Tasks

log = logging.getLogger(__name__)

FRESH = 30.0
"""Seconds for which the report in a confirmation's return need not be asked for again by the first round of gates."""

MOST_AT_A_STEP = 100
"""Events written at one step at most, so that other rollouts and the lease get their turn."""

TAKEN = 1.5
"""Of an interval between two rounds counts at most so much as watched, however late the second one is."""


class Course:
    """A rollout under way. All that it knows is in the journal, or can be found out again."""

    def __init__(self, number: int, means: Means, now: float) -> None:
        """Read the journal from its beginning.

        Raises:
            StoreError: The store cannot be used.
        """
        self.number = number
        self._means = means
        self._journal = Journal(means.store)
        self._tasks = Tasks(threads=means.threads)
        self._pursuits: dict[str, Pursuit] = {}
        self._reports: dict[str, tuple[float, Any]] = {}
        self._rounds: dict[str, float] = {}
        self._begun: set[Any] = set()
        self._labels: Mapping[str, Mapping[str, str]] | None = None
        self.state = State.new(self._journal.brief(number))
        self._accepted = Accepted(means.store, self.state.brief.release)
        events = self._journal.events(number)
        self._fold(events, now)
        # What an engine before this one has acted on, it has told of.
        self._untold = events if all(event.kind in ASKED for event in events) else []

    @property
    def busy(self) -> bool:
        """Whether something goes on beside the loop, so that it should look again soon."""
        return self._tasks.busy

    def step(self, moment: Moment, others: Sequence[State]) -> bool:
        """Do everything that is due; whether anything was written.

        Raises:
            Fenced: The lease is another engine's.
            StoreError: The store cannot be used.
            Failed: The job cache cannot be read.
        """
        if self._untold:
            self._means.told(self, self._untold)
            self._untold = []
        self.read(moment.now)
        written = 0
        while written < MOST_AT_A_STEP and not self.state.finished:
            about = elsewhere(self.state, others, moment.operations, self._hosts_labels, moment.wall)
            events = self._act(machine.due(self.state, moment.now, about), moment)
            if not events:
                break
            self._write(events, moment)
            written += len(events)
        return written > 0

    # --- the journal -------------------------------------------------------------------------------------------------

    def read(self, now: float) -> None:
        """What was written since, folded in and told; whoever wrote it."""
        events = self._journal.events(self.number, self.state.seq)
        if events:
            self._fold(events, now)
            self._means.told(self, events)

    def _write(self, events: Sequence[Event], moment: Moment) -> None:
        """Into the journal first; whatever it leads to is done after."""
        assign: dict[str, str | None] = {}
        before = self.state
        for event in events:
            after = fold(before, [event], moment.now)
            assign.update(assignments(before, event, after))
            before = after
        written = self._journal.record(self.number, events, assign, moment.epoch)
        if written[0].seq == self.state.seq + 1:
            self._fold(written, moment.now)
            self._means.told(self, written)
        else:
            # Somebody has asked for something in between: it comes first.
            self.read(moment.now)

    def _fold(self, events: Sequence[Event], now: float) -> None:
        self.state = fold(self.state, events, now)
        for jid in self._pursuits.keys() - self.state.jobs.keys():
            del self._pursuits[jid]

    # --- actions -----------------------------------------------------------------------------------------------------

    def _act(self, actions: Sequence[Action], moment: Moment) -> list[Event]:
        """The events that come of it: of all jobs at once, else of the first other action that has some."""
        self._drop_all_but({_key(action) for action in actions})
        followed = [event for action in actions if isinstance(action, Follow) for event in self._follow(action, moment)]
        if followed:
            return followed
        for action in actions:
            events = self._do(action, moment)
            if events:
                return events
        return []

    def _do(self, action: Action, moment: Moment) -> list[Event]:
        match action:
            case Record(event=event):
                return [event]
            case Launch():
                return self._launch(action, moment)
            case Look():
                return self._look(action, moment)
            case Judge():
                return self._judge(action, moment)
        return []

    def _launch(self, action: Launch, moment: Moment) -> list[Event]:
        """Only an id and a promise: it is published when it is followed, and by then it is in the journal."""
        jid = self._means.fleet.jid()
        job = Job(jid, action.act, action.wave, frozenset(action.hosts), moment.now)
        self._pursuits[jid] = self._pursuit(job, moment.now, new=True)
        body = {"jid": jid, "act": action.act, "hosts": list(action.hosts), "wave": action.wave}
        return [Event("job", body)]

    def _follow(self, action: Follow, moment: Moment) -> list[Event]:
        job = action.job
        if job.jid not in self._pursuits:
            self._pursuits[job.jid] = self._pursuit(job, moment.now, new=False)
        again = any(self.state.hosts[host].again for host in job.hosts)

        def publish(hosts: Collection[str]) -> None:
            function, kwargs = request(
                job.act, self.number, moment.epoch, again=again, timeout=self.state.brief.pace.timeout
            )
            self._means.fleet.publish(job.jid, function, sorted(hosts), kwargs)

        return self._heard(job, self._pursuits[job.jid].look(job.hosts, publish, moment.now), moment)

    def _heard(self, job: Job, heard: Heard, moment: Moment) -> list[Event]:
        events = []
        if heard.returned:
            events.append(Event("returned", {"jid": job.jid, "hosts": self._outcomes(job, heard.returned, moment)}))
        if heard.lost:
            events.append(Event("lost", {"jid": job.jid, "hosts": dict(sorted(heard.lost.items()))}))
        return events

    def _outcomes(self, job: Job, returned: Mapping[str, Any], moment: Moment) -> dict[str, dict[str, str]]:
        if job.act != "back":
            self._accepted.see(tuple(returned), moment.wall, moment.drains)
        found = {}
        for host in sorted(returned):
            answer = returned[host]["return"]
            report = answer.get("report") if isinstance(answer, Mapping) else None
            if report is not None:
                self._reports[host] = moment.now, report
            outcome, reason = read(job.act, answer, self._accepted.of(host, plan_of(report)))
            found[host] = {"outcome": outcome, "reason": reason}
        return found

    def _look(self, action: Look, moment: Moment) -> list[Event]:
        hosts = action.hosts
        done = self._beside(_key(action), lambda: reports(self._means.fleet, hosts))
        if done is None:
            return []
        found = problems(hosts, done, self.state.brief.budget.unknown, moment.operations)
        return [Event("checked", {"problems": found})]

    def _judge(self, action: Judge, moment: Moment) -> list[Event]:
        key = _key(action)
        if not self._tasks.running(key):
            self._rounds[action.wave] = moment.now
        round_ = self._round(action.wave, moment) if not self._tasks.running(key) else None
        done = self._beside(key, lambda: judged(round_, self._means.judge) if round_ else [])
        if done is None:
            return []
        wave = self.state.waves[action.wave]
        begun = self._rounds.pop(action.wave)
        waited = min(max(begun - wave.since, 0.0), TAKEN * self.state.brief.pace.interval)
        elapsed = waited + (moment.now - begun) if wave.round else 0.0
        body = {"wave": action.wave, "round": action.round, "elapsed": round(elapsed, 3), "verdicts": done}
        return [Event("judged", body)]

    def _round(self, name: str, moment: Moment) -> Round:
        """What the gates are given. After a first round nobody's old report will do."""
        wave = self.state.brief.wave(name)
        hosts = tuple(host for host in wave.hosts if self.state.hosts[host].phase in ARRIVED)
        known = {host: self._reports.pop(host, (0.0, None)) for host in hosts}
        fresh = {host: report for host, (at, report) in known.items() if report and moment.now - at <= FRESH}
        at = self.state.waves[name]
        self._accepted.see(hosts, moment.wall, moment.drains)
        expected = {host: self._accepted.of(host, plan_of(fresh.get(host))) for host in hosts}
        context = Context(
            name="",
            settings={},
            hosts=hosts,
            fleet=self._means.fleet,
            expected=expected,
            baseline=wave.baseline,
            known=fresh,
            elapsed=at.soaked + max(moment.now - at.since, 0.0),
            options=self._means.options,
        )
        context = replace(context, **canary.told(self.state, wave, moment.wall.timestamp(), self._hosts_labels))
        accepted = self._accepted.of if self._accepted.drained else None
        return Round(context, gates_of(self.state.brief, wave), accepted, passed(self.state.brief, at), at.verdicts)

    # --- how ---------------------------------------------------------------------------------------------------------

    def _beside(self, key: Any, call: Callable[[], Any]) -> Any:
        """What the call returns, once it has; it goes on beside the loop, and is begun again if it failed."""
        self._begun.add(key)
        self._tasks.start(key, call)
        done = self._tasks.take(key)
        if done is not None and done.error is not None:
            if not isinstance(done.error, TidegateError):
                log.error("Rollout %d: %s broke", self.number, key, exc_info=done.error)
            raise done.error
        return None if done is None else done.result

    def _drop_all_but(self, wanted: set[Any]) -> None:
        """What was begun and is not wanted any more must not be taken for what will be wanted later."""
        for key in self._begun - wanted:
            self._tasks.drop(key)
        self._begun &= wanted

    def _pursuit(self, job: Job, now: float, *, new: bool) -> Pursuit:
        return Pursuit(job, self._means.fleet, self._tasks, self.state.brief.pace, now, new=new)

    def _hosts_labels(self) -> Mapping[str, Mapping[str, str]]:
        if self._labels is None:
            release = self._means.store.known(self.state.brief.release)
            plans = self._means.store.plans(release) if release else {}
            self._labels = {host: plans[host].labels for host in self.state.brief.pops if host in plans}
        return self._labels


def _key(action: Action) -> Any:
    """What an action's work is called, while it goes on beside the loop."""
    match action:
        case Look():
            return "look"
        case Judge():
            return "judge", action.wave, action.round
    return None
