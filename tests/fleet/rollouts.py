"""Releases and rollouts on the lab's master, as scenarios speak of them."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

from scenario import EDGES, replace_in

LAB = Path(__file__).resolve().parents[2] / "lab"
ROUTING = "traffic/routing.sls"
STORE = "/var/lib/tidegate-master/store.db"
_ENGINE = "salt-master .*Engine"
_ASSIGNED = "SELECT host, id FROM assignment JOIN release ON release.number = assignment.release"
OVER = ("completed", "rolled-back", "aborted", "superseded")
NEEDS_PEOPLE = ("blocked", "paused", "stopped")


class Rollouts:
    """The verbs of ``tidegate`` on the master, and what the network and the hosts say meanwhile."""

    def __init__(self, fleet):
        self.fleet = fleet

    # --- the command line on the master ------------------------------------------------------------------------------

    def tidegate(self, *words, timeout=120, codes=(0,)):
        """What ``tidegate … --json`` prints on the master; the test fails if it ends otherwise."""
        done = self.fleet.exec("master", "tidegate", *words, "--json", timeout=timeout)
        assert done.returncode in codes, f"tidegate {' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def refused(self, *words):
        """The sentence with which a command refuses."""
        done = self.fleet.exec("master", "tidegate", *words)
        assert done.returncode == 1, f"tidegate {' '.join(words)}: {done.returncode}: {done.stdout}"
        return " ".join((done.stderr + done.stdout).split())

    def release(self, change=None, waive=()):
        """A release of the served policy, or of one that ``change(directory)`` has edited; the master's working tree
        is afterwards as it was."""
        words = [word for rule in waive for word in ("--waive", rule, "--because", "a test")]
        with self.fleet.changed_policy(change or (lambda _: None)):
            return self.tidegate("release", "create", "--pillar", "/srv/pillar", *words)["id"]

    def start(self, release, *words):
        """Start a rollout; its number."""
        told = self.tidegate("rollout", "start", release, "--because", "a test", "--yes", *words)
        return told["rollout"]

    def ask(self, verb, number, *words):
        """Ask something of a rollout."""
        return self.tidegate("rollout", verb, str(number), *words, "--because", "a test")

    def view(self, number):
        """``tidegate rollout status``."""
        return self.tidegate("rollout", "status", str(number), codes=(0, 3, 4, 5))

    def events(self, number, kind=None):
        """The journal, or its entries of one kind."""
        found = self.tidegate("rollout", "history", str(number))
        return [event for event in found if kind in (None, event["kind"])]

    # --- waiting -----------------------------------------------------------------------------------------------------

    def until(self, number, *statuses, timeout=240):
        """Wait until a rollout has one of these statuses; what it looks like then."""
        end = time.monotonic() + timeout
        while (view := self.view(number))["status"] not in statuses:
            dead_end = view["status"] in OVER or (view["status"] in NEEDS_PEOPLE and view["standing"] == "people")
            if dead_end or time.monotonic() > end:
                raise AssertionError(f"rollout {number} is {view['status']}, not {statuses}: {self.story(number)}")
            time.sleep(1)
        return view

    def until_event(self, number, kind, timeout=120, **body):
        """Wait for an entry of the journal that has all of ``body``; returns it."""
        end = time.monotonic() + timeout
        while True:
            for event in self.events(number, kind):
                if all(event.get(key) == value for key, value in body.items()):
                    return event
            assert time.monotonic() < end, f"no {kind} {body} in rollout {number}: {self.story(number)}"
            time.sleep(0.5)

    def completed(self, release, *words, timeout=300):
        """Roll a release out, to the end."""
        number = self.start(release, *words)
        self.until(number, "completed", timeout=timeout)
        return number

    def story(self, number):
        """The journal in short, for a test that failed."""
        return "\n" + "\n".join(json.dumps(event)[:400] for event in self.events(number))

    # --- what became of it -------------------------------------------------------------------------------------------

    def report(self, host):
        """``traffic.report`` of a host."""
        return self.fleet.call(host, "traffic.report")

    def runs(self, release, hosts=EDGES):
        """Whether these hosts run their plan of a release, confirmed, and nothing else is under way."""
        for host in hosts:
            plan = self.tidegate("release", "show", release, "--host", host)["digest"]
            report = self.report(host)
            assert report["pending"] is None, f"{host}: {report['pending']}"
            assert (report["plan"], report["confirmed"]) == (plan, plan), host
            assert report["drift"] == {}, host
        return True

    def has_store(self):
        """Whether there is one: the first release makes it."""
        return self.fleet.exec("master", "test", "-e", STORE).returncode == 0

    def assigned(self):
        """Host → release id, as the store has it."""
        if not self.has_store():
            return {}
        query = f"import json, sqlite3; print(json.dumps(list(sqlite3.connect('{STORE}').execute('{_ASSIGNED}'))))"
        return dict(json.loads(self.fleet.run("master", "python3", "-c", query)))

    def applies(self, number):
        """How often each host was sent the release."""
        found = dict.fromkeys(EDGES, 0)
        for event in self.events(number, "job"):
            for host in event["hosts"] if event["act"] == "apply" else ():
                found[host] += 1
        return found

    # --- before and after a scenario ---------------------------------------------------------------------------------

    def end_all(self):
        """End every rollout that a scenario has left, and wait until nothing is under way."""
        for found in self.tidegate("rollout", "history") if self.has_store() else ():
            if found["status"] is None:
                self.ask("abort", found["number"])
                self.until(found["number"], *OVER, timeout=120)

    def all_on_one(self, change):
        """The release that every host has; if there is none, all are brought to the example with ``change``."""
        found = set(self.assigned().values())
        if len(found) != 1 or len(self.assigned()) != len(EDGES):
            found = {self.release(change)}
            self.completed(*found)
        (release,) = found
        assert self.runs(release)
        return release

    def forget(self):
        """Without releases: hosts get the plan of the working tree again."""
        self.fleet.run("master", "systemctl", "stop", "salt-master")
        self.fleet.run("master", "sh", "-c", f"rm -f {STORE}*; rm -rf /var/cache/salt/master/tidegate")
        self.fleet.run("master", "systemctl", "start", "salt-master")
        self.fleet.wait_for_minions()

    # --- the master -----------------------------------------------------------------------------------------------

    def kill_master(self):
        """Every process of the Salt master, the engine among them, as the kernel would kill it: no goodbye."""
        self.fleet.exec("master", "systemctl", "kill", "--signal=KILL", "salt-master")

    @contextmanager
    def engine_frozen(self):
        """The engine sleeps for the length of the block, while the master goes on: nothing is confirmed."""
        self.fleet.run("master", "pkill", "--signal=STOP", "--full", _ENGINE)
        try:
            yield
        finally:
            self.fleet.run("master", "pkill", "--signal=CONT", "--full", _ENGINE)

    @contextmanager
    def store_away(self):
        """The database is gone: nothing can be read or written; it is there again at the end of the block."""
        names = " ".join(f"{STORE}{suffix}" for suffix in ("", "-wal", "-shm"))
        script = f'for file in {names}; do [ -e "$file" ] && mv "$file" "$file.away"; done; mkdir {STORE}'
        self.fleet.run("master", "sh", "-c", f"{script}; true")
        try:
            yield
        finally:
            back = f'rmdir {STORE}; for file in {names}; do [ -e "$file.away" ] && mv "$file.away" "$file"; done'
            self.fleet.run("master", "sh", "-c", f"{back}; true")


def lab_pillar(pillar):
    """Edit a policy: the lab's waves and gates."""
    shutil.copy(LAB / "rollout.sls", pillar / "traffic")


def judged(pillar):
    """Edit a policy: the canary is compared with the host beside it."""
    shutil.copy(LAB / "judged.sls", pillar / "traffic" / "rollout.sls")


def community(number):
    """A harmless change of every host: another community on what it announces."""
    return lambda pillar: replace_in(pillar / ROUTING, 'communities: ["64500:100"]', f'communities: ["64500:{number}"]')


QUICK = """\
traffic:
  rollout:
    waves: [{name: canary, one_per: class}, {name: most, percent: 75}, {name: all, match: all}]
    soak: 0s
    interval: 2s
    gates: [health]
    on_failure: roll_back_all
    pace: {silence: 30s, timeout: 2m}
"""


def quick(pillar):
    """No soak, and no gate but health."""
    (pillar / "traffic/rollout.sls").write_text(QUICK)


def edits(*changes):
    """Several edits as one."""

    def change(pillar):
        for one in changes:
            one(pillar)

    return change


def approval(pillar):
    """Every wave of the quick ones needs somebody's approval."""
    replace_in(pillar / "traffic/rollout.sls", "gates: [health]", "gates: [health, approval]")


@contextmanager
def broken_origin(fleet, hosts=("edge1.lhr1", "edge2.lhr1")):
    """Origin servers answer with errors, and somebody asks them."""
    for host in hosts:
        fleet.run(host, "touch", "/run/lab-origin.fail")
    fleet.start_requests()
    try:
        yield
    finally:
        fleet.stop_requests()
        for host in hosts:
            fleet.run(host, "rm", "/run/lab-origin.fail")
