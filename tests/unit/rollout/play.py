"""A rollout played without machines: hosts do as they are told to, and time goes on as the test says."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timezone

from tidegate.host.plan import seal
from tidegate.release.assignments import assign
from tidegate.release.release import Draft
from tidegate.rollout.action import Follow, Judge, Launch, Look, Record
from tidegate.rollout.brief import Brief, Budget, Floor, Pace, PlannedWave
from tidegate.rollout.event import Event
from tidegate.rollout.fold import assignments, fold
from tidegate.rollout.machine import due
from tidegate.rollout.safety import Elsewhere
from tidegate.rollout.state import State

OLD, NEW = "a" * 64, "b" * 64
WAVES = {"canary": ["a1", "b1"], "half": ["a2", "c1"], "all": ["a3", "b2", "c2"]}


def brief(waves=WAVES, *, soak=0.0, gates=("health",), min_pops=0, **changes):
    """A rollout of hosts whose PoP is the first letter of their name."""
    hosts = [host for names in waves.values() for host in names]
    settings = {
        "release": NEW,
        "strategy": "normal",
        "waves": tuple(PlannedWave(name, tuple(names), {}, soak, gates) for name, names in waves.items()),
        "unchanged": ("z1",),
        "before": dict.fromkeys([*hosts, "z1"], OLD),
        "pops": {host: host[0] for host in [*hosts, "z1"]},
        "floors": (Floor("web", min_pops, tuple(hosts)),) if min_pops else (),
        "gates": {gate: {"kind": gate} for gate in gates},
        "budget": Budget(),
        "pace": Pace(interval=30.0, rounds=3),
    }
    return Brief(**{**settings, **changes})


def releases(store, hosts):
    """Two releases of these hosts in a store, and every host assigned to the first; their ids."""
    ids = []
    for note in ("old", "new"):
        plans = {host: seal({"schema": 1, "host": host, "note": note}) for host in hosts}
        ids.append(store.add(Draft(note, plans), who="ann", newest=store.newest())[0].id)
    with store.database.writing() as connection:
        assign(connection, dict.fromkeys(hosts, ids[0]), None, datetime.now(timezone.utc))
    return ids


class Play:
    """One rollout. ``script`` says what hosts do and gates find; who is not in it does well."""

    def __init__(self, told=None):
        self.state = State.new(told or brief())
        self.now = 1000.0
        self.elsewhere = Elsewhere()
        self.events = []
        self.assigned = {host: release for host, release in self.state.brief.before.items() if release}
        self.jobs = []
        self.apply = defaultdict(lambda: "applied")
        self.confirm = defaultdict(lambda: "changed")
        self.back = defaultdict(lambda: "changed")
        self.problems = {}
        self.verdict = lambda wave, round_: "pass"
        self.add(Event("started"))

    def add(self, event):
        """Write an event, as the engine or as a person would."""
        event = Event(event.kind, event.body, len(self.events) + 1, None, event.who, event.why)
        after = fold(self.state, [event], self.now)
        for host, release in assignments(self.state, event, after).items():
            self.assigned[host] = release
        self.events.append(event)
        self.state = after

    def ask(self, kind, *, why="because", who="ann", **body):
        """What a person asks for."""
        self.add(Event(kind, body, who=who, why=why))

    def due(self):
        """What the machine wants now."""
        return due(self.state, self.now, self.elsewhere)

    def step(self, seconds=1.0):
        """Do everything that is due, once, and let time go on; whether there was anything to do."""
        actions = self.due()
        for action in actions:
            self._do(action)
        self.now += seconds
        return bool(actions)

    def run(self, *until, steps=300):
        """Go on until the rollout has one of these statuses, or ends."""
        for _ in range(steps):
            if self.state.status in until or self.state.finished:
                return self.state.status
            self.step()
        raise AssertionError(f"still {self.state.status} ({self.state.waiting}) after {steps} steps")

    def phases(self, *hosts):
        """The phases of some hosts, or of all, by name."""
        return {host: self.state.hosts[host].phase.value for host in hosts or self.state.hosts}

    def published(self, act):
        """The hosts of every job of a kind, in order."""
        return [list(hosts) for kind, hosts in self.jobs if kind == act]

    def kinds(self):
        """The kinds of all events so far."""
        return [event.kind for event in self.events]

    def restart(self, now=None):
        """What an engine knows that was killed and begins again: its journal, and a clock of its own."""
        self.now = 5.0 if now is None else now
        self.state = fold(State.new(self.state.brief), self.events, self.now)

    def _do(self, action):
        match action:
            case Look():
                self.add(Event("checked", {"problems": self.problems}))
            case Record(event=event):
                self.add(event)
            case Launch():
                jid = f"j{len(self.jobs)}"
                self.jobs.append((action.act, action.hosts))
                body = {"jid": jid, "act": action.act, "hosts": list(action.hosts), "wave": action.wave}
                self.add(Event("job", body))
            case Follow(job=job):
                self._follow(job)
            case Judge():
                self._judge(action)

    def _follow(self, job):
        script = {"apply": self.apply, "confirm": self.confirm, "back": self.back}[job.act]
        told = {host: script[host] for host in sorted(job.hosts)}
        returned = {host: {"outcome": word, "reason": word} for host, word in told.items() if word not in ("lost", "")}
        lost = {host: "no answer" for host, word in told.items() if word == "lost"}
        if returned:
            self.add(Event("returned", {"jid": job.jid, "hosts": returned}))
        if lost:
            self.add(Event("lost", {"jid": job.jid, "hosts": lost}))

    def _judge(self, action):
        at = self.state.waves[action.wave]
        outcome = self.verdict(action.wave, action.round)
        body = {
            "wave": action.wave,
            "round": action.round,
            "elapsed": self.now - at.since if at.round else 0.0,
            "verdicts": [{"gate": "health", "outcome": outcome, "reason": f"it is {outcome}", "evidence": {}}],
        }
        self.add(Event("judged", body))
