"""Whatever hosts, gates, people and crashes do, in whatever order: what a rollout never does.

Random events go through the pure function and a real store; now and then the engine dies and reads its journal again.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from play import brief, releases

from tidegate.release.assignments import Assignments
from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout.action import Follow, Judge, Launch, Look, Record
from tidegate.rollout.brief import Budget, Pace
from tidegate.rollout.event import Event
from tidegate.rollout.fold import assignments, fold
from tidegate.rollout.journal import Journal
from tidegate.rollout.lease import Leases
from tidegate.rollout.machine import due
from tidegate.rollout.safety import Elsewhere, margins
from tidegate.rollout.state import ARRIVED, MOVING, Phase, State
from tidegate.rollout.verdict import worst

WAVES = {"canary": ["a1", "b1"], "half": ["a2"], "all": ["c1", "c2", "d1"]}
"""Two PoPs are whole in one wave: the last wave alone could take the service out of both."""
HOSTS = [host for hosts in WAVES.values() for host in hosts]
WORDS = {
    "apply": ["applied", "applied", "applied", "ok", "failed", "reverted", "lost", ""],
    "confirm": ["changed", "changed", "changed", "failed", "reverted", "expired", "lost", ""],
    "back": ["changed", "changed", "ok", "failed", "lost", ""],
}
MIN_POPS = 3


class Rollouts(RuleBasedStateMachine):
    """One rollout, driven by chance."""

    def __init__(self):
        super().__init__()
        self.folder = TemporaryDirectory()
        self.store = Store(parse(str(Path(self.folder.name, "store.db"))), create=True)
        self.journal, self.leases = Journal(self.store), Leases(self.store)
        self.jobs = 0
        self.now = 0.0

    def teardown(self):
        self.store.close()
        self.folder.cleanup()

    @initialize(
        failed=st.integers(0, 2),
        unknown=st.integers(0, 2),
        on_failure=st.sampled_from(["pause", "wave", "all"]),
        gates=st.sampled_from([("health",), ("health", "approval")]),
        size=st.integers(1, 3),
        soak=st.sampled_from([0.0, 20.0]),
    )
    def start(self, failed, unknown, on_failure, gates, size, soak):
        self.old, self.new = releases(self.store, [*HOSTS, "z1"])
        told = brief(
            WAVES,
            release=self.new,
            before=dict.fromkeys([*HOSTS, "z1"], self.old),
            min_pops=MIN_POPS,
            budget=Budget(failed, unknown),
            on_failure=on_failure,
            gates=gates,
            soak=soak,
            pace=Pace(slice=size, in_flight=size, rounds=2, interval=10.0),
        )
        self.number = self.journal.start(told, "ann", "because")
        self.lease = self.leases.acquire("engine", 3600)
        self.state = State.new(told)
        self.read()

    # --- what happens ------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.state.finished)
    @rule(data=st.data())
    def work(self, data):
        """One of the things that are due is done."""
        actions = due(self.state, self.now, self.elsewhere())
        assert actions == due(self.state, self.now, self.elsewhere())
        if actions:
            self.do(data.draw(st.sampled_from(actions)), data)

    @precondition(lambda self: not self.state.finished)
    @rule(times=st.integers(1, 20))
    def work_well(self, times):
        """Everything that is due is done for a while, and goes well: without this few rollouts would get far."""
        for _ in range(times):
            for action in due(self.state, self.now, self.elsewhere()):
                if not self.state.finished:
                    self.do(action, None)
            self.now += 5.0
            self.a_service_stays_up_unless_hosts_are_lost_or_go_back()

    @precondition(lambda self: not self.state.finished)
    @rule(
        kind=st.sampled_from(
            ["paused", "resumed", "resumed", "approved", "approved", "retried", "skipped", "rollback", "aborted"]
        ),
        data=st.data(),
    )
    def ask(self, kind, data):
        """Somebody wants something."""
        hosts = data.draw(st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2, unique=True))
        wave = data.draw(st.sampled_from(list(WAVES)))
        bodies = {"approved": {"wave": wave}, "retried": {"hosts": hosts}, "skipped": {"hosts": hosts},
                  "rollback": {"waves": data.draw(st.sampled_from([None, [wave]]))}}  # fmt: skip
        self.journal.ask(self.number, Event(kind, bodies.get(kind, {}), who="ann", why="because"))
        self.read()

    @rule(seconds=st.floats(0, 600))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(now=st.floats(0, 1e9))
    def die_and_begin_again(self, now):
        """The engine is killed; another one has only the journal and a clock of its own."""
        before = self.state
        self.now = now
        self.state = fold(State.new(self.journal.brief(self.number)), self.journal.events(self.number), now)
        assert timeless(self.state) == timeless(before)

    # --- how ---------------------------------------------------------------------------------------------------------

    def do(self, action, data):
        def draw(words):
            return words[0] if data is None else data.draw(st.sampled_from(words))

        match action:
            case Record(event=event):
                self.promoting(event)
                self.record(event)
            case Look():
                self.record(Event("checked", {"problems": draw([{}, {}, {"a1": "drift"}])}))
            case Launch():
                self.jobs += 1
                hosts = list(action.hosts)
                self.record(
                    Event("job", {"jid": str(self.jobs), "act": action.act, "hosts": hosts, "wave": action.wave})
                )
            case Follow(job=job):
                said = {host: draw(WORDS[job.act]) for host in sorted(job.hosts)}
                good = {
                    host: {"outcome": word, "reason": ""} for host, word in said.items() if word not in ("", "lost")
                }
                lost = {host: "silent" for host, word in said.items() if word == "lost"}
                for kind, hosts in (("returned", good), ("lost", lost)):
                    if hosts:
                        self.record(Event(kind, {"jid": job.jid, "hosts": hosts}))
            case Judge():
                outcome = draw(["pass", "pass", "pass", "fail", "inconclusive"])
                verdict = {"gate": "health", "outcome": outcome, "reason": "so", "evidence": {}}
                elapsed = self.now - self.state.waves[action.wave].since
                self.record(Event("judged", {"wave": action.wave, "round": action.round, "elapsed": max(elapsed, 0.0),
                                             "verdicts": [verdict]}))  # fmt: skip

    def promoting(self, event):
        """A wave is promoted, and begun, on a last round that passed; nothing else leads there."""
        waves = list(WAVES)
        if event.kind == "promoted":
            self.proven(event.body["wave"])
        if event.kind == "wave":
            for name in waves[: waves.index(event.body["wave"])]:
                assert self.state.waves[name].status == "promoted"

    def proven(self, name):
        at = self.state.waves[name]
        wave = self.state.brief.wave(name)
        if all(self.state.hosts[host].phase is Phase.SKIPPED for host in wave.hosts):
            return
        assert worst(at.verdicts) == "pass"
        assert at.soaked >= wave.soak
        assert "approval" not in wave.gates or at.approved
        assert any(self.state.hosts[host].phase in ARRIVED for host in wave.hosts)

    def record(self, event):
        assigned = assignments(self.state, event, fold(self.state, [event], self.now))
        self.journal.record(self.number, [event], assigned, self.lease.epoch)
        self.read()

    def read(self):
        self.state = fold(self.state, self.journal.events(self.number, self.state.seq), self.now)

    def elsewhere(self):
        return Elsewhere()

    # --- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def every_host_is_in_one_release_and_in_the_right_one(self):
        if not hasattr(self, "state"):
            return
        assigned = Assignments(self.store).all()
        assert set(assigned) == {*HOSTS, "z1"}
        for host, at in self.state.hosts.items():
            on_the_way = at.phase in ARRIVED | (MOVING - {Phase.RETURNING})
            assert assigned[host] == (self.new if on_the_way else self.old), (host, at)
        assert assigned["z1"] == (self.new if self.state.status == "completed" else self.old)

    @invariant()
    def not_too_many_hosts_change_at_once(self):
        if not hasattr(self, "state"):
            return
        moving = [host for host, at in self.state.hosts.items() if at.phase in MOVING]
        assert len(moving) <= self.state.brief.pace.in_flight
        assert all(len(job.hosts) <= self.state.brief.pace.slice for job in self.state.jobs.values())

    @invariant()
    def a_service_stays_up_unless_hosts_are_lost_or_go_back(self):
        if not hasattr(self, "state"):
            return
        phases = {at.phase for at in self.state.hosts.values()}
        if not phases & {Phase.FAILED, Phase.UNKNOWN, Phase.STUCK, Phase.RETURNING, Phase.BACK}:
            up, needed = margins(self.state)["web"]
            assert up >= needed

    @invariant()
    def an_end_is_an_end(self):
        if hasattr(self, "state") and self.state.finished:
            assert due(self.state, self.now, self.elsewhere()) == []
            assert not any(at.phase in MOVING for at in self.state.hosts.values())
            assert self.journal.rollout(self.number).status == self.state.status


def timeless(state):
    """A state without its clock."""
    return (
        state.status,
        state.reason,
        state.waiting,
        state.going_back,
        state.cleared,
        state.problems,
        {host: (at.phase, at.reason, at.tries, at.jid, at.again) for host, at in state.hosts.items()},
        {name: (at.status, at.soaked, at.round, at.inconclusive, at.approved) for name, at in state.waves.items()},
        {jid: job.hosts for jid, job in state.jobs.items()},
    )


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
