"""A fleet without machines, behind a real store: hosts do what hosts do, well or badly, on a clock that tests turn."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from play import WAVES, brief

from tidegate.host.errors import Failed
from tidegate.host.plan import seal
from tidegate.release.assignments import Assignments, assign
from tidegate.release.release import Draft
from tidegate.release.served import served
from tidegate.rollout.driver import Driver
from tidegate.rollout.event import Event
from tidegate.rollout.journal import Journal
from tidegate.rollout.verdict import Verdict

WEB = {"service": "web", "prefixes": ["192.0.2.0/24"], "communities": [], "large_communities": [], "prepend": 0,
       "med": None}  # fmt: skip
BIRD = {"services": [{"name": "web", "ipv4": ["192.0.2.0/24"], "ipv6": []}],
        "neighbors": [{"name": "transit", "role": "provider", "family": "ipv4", "export": [WEB]}]}  # fmt: skip
"""As much of a plan's section as a drain looks at."""


def plan(host, class_):
    """A host's plan; its PoP is the first letter of its name."""
    labels = {"host": host, "pop": host[0], "region": "eu", "role": "edge", "class": class_}
    xdp = {"interfaces": [], "rules": [], "management": {"neighbors": []}}
    return seal({"schema": 1, "host": host, "labels": labels, "bird": BIRD, "tc": {"interfaces": []}, "xdp": xdp})


def releases(store, hosts):
    """Two releases of these hosts in a store, and every host assigned to the first; their ids."""
    ids = []
    for class_ in ("gen10", "gen11"):
        plans = {host: plan(host, class_) for host in hosts}
        ids.append(store.add(Draft(class_, plans), who="ann", newest=store.newest())[0].id)
    with store.database.writing() as connection:
        assign(connection, dict.fromkeys(hosts, ids[0]), None, datetime.now(timezone.utc))
    return ids


class Killed(BaseException):
    """The engine was killed here: nothing catches it, and nothing is cleaned up."""


class Clock:
    """Time that passes when the test says so; the wall's clock can be set apart from it."""

    def __init__(self):
        self.seconds = 1000.0
        self.wall = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)

    def monotonic(self):
        return self.seconds

    def utc(self):
        return self.wall + timedelta(seconds=self.seconds)

    def sleep(self, seconds):
        self.seconds += seconds


class Host:
    """One host: what it runs, what it goes back to, the change under way, and how it behaves.

    Attributes:
        down: It gets nothing and says nothing.
        duration: Seconds that a job takes.
        mute: Acts whose return never arrives.
        deaf: How many jobs it will not get.
        lies: The plan's digest that it reports, whatever it runs.
        breaks: Act → what becomes of it: ``failed`` (nothing changed, an error), ``undone`` (health is bad), ``odd``.
        health, drift, owner: For its report.
    """

    def __init__(self, name, plan):
        self.name, self.plan, self.confirmed = name, plan, plan
        self.pending = None
        self.fence = 0
        self.seen = set()
        self.changes = []
        self.ran = []
        self.down, self.duration, self.mute, self.deaf = False, 3.0, set(), 0
        self.lies, self.breaks, self.health, self.drift = None, {}, "ok", {}
        self.expired_for = None

    def pass_time(self, now):
        """The dead-man."""
        if self.pending and now >= self.pending["until"]:
            self.expired_for = self.pending["owner"]
            self.undo()

    def undo(self):
        self.plan, self.pending = self.confirmed, None

    def reboot(self):
        """What was not confirmed is gone, and so are the ids of jobs it has had."""
        self.undo()
        self.seen.clear()

    def report(self):
        health = {"status": self.health, "checks": [], "reason": f"it is {self.health}"}
        return {
            "plan": self.lies or self.plan,
            "confirmed": self.lies or self.confirmed,
            "pending": {"generation": self.plan[:16], "owner": self.pending["owner"]} if self.pending else None,
            "reverted": {},
            "health": health,
            "drift": self.drift,
            "drift_id": "d1" if self.drift else None,
            "boot": "b",
            "left_alone": False,
        }

    def apply(self, act, served_plan, settings, now):
        """``state.apply traffic``."""
        if settings["fence"] < self.fence:
            return _states(False, "this host does not follow an engine that has lost its lease")
        self.fence = settings["fence"]
        if self.breaks.get(act) == "failed":
            return _states(False, "this host cannot run the plan; nothing was touched")
        if self.pending and self.plan != served_plan:
            self.undo()
        if served_plan == self.confirmed and not self.pending:
            return _states(True, f"generation x (plan {served_plan[:12]}) is what this host runs")
        if not self.pending:
            self.changes.append(served_plan)
            self.plan = served_plan
            self.pending = {"until": now + settings["timeout"], "owner": settings["owner"]}
        self.pending["owner"] = settings["owner"]
        self.expired_for = None
        if self.breaks.get(act) == "undone":
            self.undo()
            return _states(False, "it was not healthy within 30 s: undone")
        if settings["confirm"] == "host":
            self.confirmed, self.pending = self.plan, None
        return _states(
            True, f"generation y (plan {served_plan[:12]}) changes bird", {"generation": {"old": "x", "new": "y"}}
        )

    def confirm(self, owner, fence):
        """``traffic.confirm``."""
        if fence < self.fence:
            return self._answer("failed", "an engine that has lost its lease")
        self.fence = fence
        if self.pending and self.pending["owner"] == owner:
            if self.breaks.get("confirm") == "undone":
                self.undo()
                return self._answer("failed", "it was not healthy: undone")
            self.confirmed, self.pending = self.plan, None
            return self._answer("confirmed", "it is confirmed")
        if self.expired_for == owner:
            return self._answer("expired", "nobody confirmed it in time")
        return self._answer("nothing", "nothing was under way")

    def _answer(self, outcome, reason):
        return {"outcome": outcome, "reason": reason, "report": self.report()}


class World:
    """`Fleet` over imitated hosts. It goes on when an engine dies; time passes while somebody waits."""

    def __init__(self, store, clock, plans):
        self.store, self.clock = store, clock
        self.hosts = {name: Host(name, plan) for name, plan in plans.items()}
        self.cache = defaultdict(dict)
        self.loads = {}
        self.publications = []
        self.under_way = []
        self.told = []
        self.jids = 0
        self.reachable = True

    # --- Fleet -------------------------------------------------------------------------------------------------------

    def jid(self):
        self.jids += 1
        return f"{self.jids:020d}_tg"

    def publish(self, jid, function, hosts, kwargs):
        if not self.reachable:
            raise Failed("the master did not take the job")
        self.loads[jid] = function
        self.publications.append((jid, function, tuple(hosts), kwargs))
        for name in hosts:
            host = self.hosts.get(name)
            if host is None or host.down or jid in host.seen:
                continue
            if host.deaf:
                host.deaf -= 1
                continue
            host.seen.add(jid)
            self.under_way.append((self.clock.seconds + host.duration, host, jid, function, kwargs))

    def published(self, jid):
        return jid in self.loads

    def returns(self, jid, hosts):
        self.pass_time()
        return {host: {"return": self.cache[jid][host], "retcode": 0} for host in hosts if host in self.cache[jid]}

    def running(self, jid, hosts, seconds):
        self.pass_time()
        return {
            name: any(host.name == name and at == jid for _, host, at, _, _ in self.under_way)
            for name in hosts
            if not self.hosts[name].down
        }

    def ask(self, function, hosts, kwargs, seconds):
        self.pass_time()
        assert function == "traffic.report"
        return {name: self.hosts[name].report() for name in hosts if not self.hosts[name].down}

    def wait(self, seconds):
        self.clock.sleep(seconds)
        self.pass_time()

    def tell(self, tag, data):
        self.told.append((tag, data))

    # --- what hosts do -----------------------------------------------------------------------------------------------

    def pass_time(self):
        """Everything that was to happen by now."""
        now = self.clock.seconds
        due = sorted((work for work in self.under_way if work[0] <= now), key=lambda work: work[0])
        self.under_way = [work for work in self.under_way if work[0] > now]
        for at, host, jid, function, kwargs in due:
            host.pass_time(at)
            if host.down:
                continue
            act, answer = self._run(host, function, kwargs, at)
            host.ran.append((act, jid))
            if act not in host.mute and host.name not in self.cache[jid]:
                self.cache[jid][host.name] = answer
        for host in self.hosts.values():
            host.pass_time(now)

    def _run(self, host, function, kwargs, at):
        if function == "traffic.confirm":
            return "confirm", host.confirm(kwargs["owner"], kwargs["fence"])
        settings = kwargs["pillar"]["tidegate"]
        act = "apply" if settings["confirm"] == "engine" else "back"
        if host.breaks.get(act) == "odd":
            return act, "Traceback (most recent call last): …"
        plan = served(self.store, host.name, self.clock.utc()).plan.digest
        return act, host.apply(act, plan, settings, at)


def _states(result, comment, changes=None):
    name = "this host's plan is staged"
    state = {"result": result, "comment": comment, "changes": changes or {}, "__run_num__": 0}
    return {f"traffic_|-{name}_|-{name}_|-staged": state}


class Gates:
    """Judges as the test says: (wave's hosts, gate) → outcome; pass unless said."""

    def __init__(self):
        self.outcome = lambda context: "pass"
        self.contexts = []

    def __call__(self, context):
        self.contexts.append(context)
        told = self.outcome(context)
        return Verdict(context.name, told, f"it is {told}")


class Peril:
    """Kills whoever goes past its n-th point, once; counts them otherwise."""

    def __init__(self, at=None):
        self.at, self.count, self.where = at, 0, []

    def point(self, name):
        self.count += 1
        self.where.append(name)
        if self.count == self.at:
            raise Killed(name)


class PerilousFleet:
    """A fleet before and after each of whose calls the engine may be killed."""

    def __init__(self, fleet, peril):
        self._fleet, self._peril = fleet, peril

    def __getattr__(self, name):
        call = getattr(self._fleet, name)

        def perilous(*args, **kwargs):
            self._peril.point(f"before {name}")
            answer = call(*args, **kwargs)
            self._peril.point(f"after {name}")
            return answer

        return perilous


@contextmanager
def perilous(store, peril):
    """A store in whose transactions the engine may be killed: before, at the end of and after each that writes."""
    database, writing, reading = store.database, store.database.writing, store.database.reading

    @contextmanager
    def dangerous_writing():
        peril.point("before a write")
        with writing() as connection:
            yield connection
            peril.point("before the commit")
        peril.point("after the commit")

    @contextmanager
    def dangerous_reading():
        peril.point("before a read")
        with reading() as connection:
            yield connection

    database.writing, database.reading = dangerous_writing, dangerous_reading
    try:
        yield
    finally:
        database.writing, database.reading = writing, reading


class Scene:
    """A store with two releases, a fleet that runs the first, and engines."""

    def __init__(self, store, waves=WAVES):
        self.store, self.waves = store, waves
        self.hosts = [host for hosts in waves.values() for host in hosts]
        self.old, self.new = releases(store, [*self.hosts, "z1"])
        self.old_plans, self.new_plans = (store.digests(store.known(release)) for release in (self.old, self.new))
        self.clock, self.gates = Clock(), Gates()
        self.world = World(store, self.clock, self.old_plans)
        self.journal = Journal(store)
        self.told = []

    def begin(self, **settings):
        """Start a rollout of the second release; its number."""
        told = {"release": self.new, "before": dict.fromkeys([*self.hosts, "z1"], self.old), **settings}
        waves = told.pop("waves", self.waves)
        supersedes = told.pop("supersedes", None)
        self.number = self.journal.start(brief(waves, **told), "ann", "because", supersedes)
        return self.number

    def engine(self, name="engine", fleet=None, *, threads=False):
        return Driver(
            self.store,
            fleet or self.world,
            self.gates,
            self.clock,
            name,
            threads=threads,
            told=lambda course, events: self.told.extend((course.number, event.kind) for event in events),
        )

    def run(self, driver, *until, steps=2000):
        """Step until the rollout ends, or has one of these statuses; its status."""
        for _ in range(steps):
            if not driver.step():
                self.world.wait(1.0)
            rollout = self.journal.rollout(self.number)
            if rollout.finished_at:
                return rollout.status
            course = driver.courses.get(self.number)
            if course and course.state.status in until:
                return course.state.status
        raise AssertionError(f"still {course.state.status if course else 'not begun'}: {self.kinds()[-5:]}")

    def kinds(self):
        return [event.kind for event in self.journal.events(self.number)]

    def ask(self, kind, **body):
        self.journal.ask(self.number, Event(kind, body, who="ann", why="because"))

    def phases(self, driver):
        return {name: host.phase.value for name, host in driver.courses[self.number].state.hosts.items()}

    def everybody_has(self, release):
        plans = {self.old: self.old_plans, self.new: self.new_plans}[release]
        assigned = Assignments(self.store).all()
        for name, host in self.world.hosts.items():
            if name != "z1":
                assert host.plan == host.confirmed == plans[name], name
                assert host.pending is None
            assert assigned[name] == release, name
