"""What a rollout costs beyond the jobs it is made of: 5,000 imitated minions on a real master, five waves, no soak.

Run `python bench/rollout.py`. First the waves as bare ``state.apply`` jobs, one after another, then the same waves as a
rollout by the real engine in a process of its own; then the replay of a long journal. `--json` prints the figures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "_utils"), str(HERE.parent / "tests" / "unit" / "rollout")]

import real_salt  # noqa: E402
import yaml  # noqa: E402

from tidegate.host.plan import seal  # noqa: E402
from tidegate.release.location import parse  # noqa: E402
from tidegate.release.release import Draft  # noqa: E402
from tidegate.release.schema import AssignmentRow  # noqa: E402
from tidegate.release.store import Store  # noqa: E402
from tidegate.rollout import gates, machine  # noqa: E402
from tidegate.rollout.brief import Brief, Budget, Pace, PlannedWave  # noqa: E402
from tidegate.rollout.driver import Driver  # noqa: E402
from tidegate.rollout.event import Event  # noqa: E402
from tidegate.rollout.fold import fold  # noqa: E402
from tidegate.rollout.journal import Journal  # noqa: E402
from tidegate.rollout.salt_fleet import SaltFleet  # noqa: E402
from tidegate.rollout.state import State  # noqa: E402

SHARES = (0.001, 0.01, 0.1, 0.5, 1.0)
"""How much of the fleet has the release after each wave."""

REPLAYED = 100_000


def waves_of(hosts: list[str]) -> dict[str, list[str]]:
    """Hosts by wave."""
    ends = [0, *(max(1, round(share * len(hosts))) for share in SHARES)]
    return {f"wave{n}": hosts[ends[n - 1] : ends[n]] for n in range(1, len(ends)) if ends[n - 1] < ends[n]}


def plan(host: str, class_: str) -> Any:
    """A small plan; what is in it does not matter here."""
    labels = {"host": host, "pop": host.split(".")[1], "region": "eu", "role": "edge", "class": class_}
    xdp = {"interfaces": [], "rules": [], "management": {"neighbors": []}}
    return seal({"schema": 1, "host": host, "labels": labels, "bird": None, "tc": {"interfaces": []}, "xdp": xdp})


def prepared(path: Path, hosts: list[str]) -> tuple[Store, dict[str, list[str]], list[str]]:
    """A store with two releases, the digests of every host's two plans, and the releases' ids."""
    from sqlalchemy import insert

    store = Store(parse(str(path)), create=True)
    releases = []
    for class_ in ("gen10", "gen11"):
        draft = Draft(class_, {host: plan(host, class_) for host in hosts})
        releases.append(store.add(draft, who="bench", newest=store.newest())[0])
    now = datetime.now(timezone.utc)
    rows = [{"host": host, "release": releases[0].number, "rollout": None, "since": now} for host in hosts]
    with store.database.writing() as connection:
        connection.execute(insert(AssignmentRow), rows)
    digests = [store.digests(release) for release in releases]
    plans = {host: [digests[0][host], digests[1][host]] for host in hosts}
    return store, plans, [release.id for release in releases]


@contextlib.contextmanager
def fleet(salt: Any, plans: dict[str, list[str]], told: argparse.Namespace) -> Iterator[None]:
    """The imitated minions, in a process of their own, known to the master."""
    folder, hosts = salt.folder, list(plans)
    first = hosts[0]
    real_salt._write(folder / first, salt._minion(first))
    (folder / "plans.json").write_text(json.dumps(plans))
    files = [str(folder / name) for name in ("plans.json", "ready", "go")]
    command = [sys.executable, str(HERE / "imitated" / "minions.py"), str(folder / first / "minion"), *files]
    process = subprocess.Popen([*command, "--work", str(told.work), "--settle", str(told.settle)])
    try:
        real_salt.until((folder / "ready").exists, "the imitated minions")
        keys, sessions = folder / "master" / "pki" / "minions", folder / "master" / "cache" / "sessions"
        for host in hosts[1:]:
            shutil.copy2(keys / first, keys / host)
            shutil.copy2(sessions / first, sessions / host)
        (folder / "go").touch()
        yield
    finally:
        process.terminate()
        process.wait()


def bare(fleet_: SaltFleet, waves: dict[str, list[str]], size: int) -> dict[str, float]:
    """The waves as ``state.apply`` jobs, each wave in slices; a wave begins when the one before has returned."""
    took = {}
    for name, hosts in waves.items():
        begin = time.monotonic()
        jobs = []
        for at in range(0, len(hosts), size):
            jobs.append((fleet_.jid(), set(hosts[at : at + size])))
            fleet_.publish(jobs[-1][0], "state.apply", sorted(jobs[-1][1]), {"mods": "traffic", "sync_mods": "all"})
        while jobs:
            for jid, missing in jobs:
                missing.difference_update(fleet_.returns(jid, missing))
            jobs = [job for job in jobs if job[1]]
            if jobs:
                fleet_.wait(1.0)
        took[name] = round(time.monotonic() - begin, 2)
    return took


def brief(release: str, before: str, waves: dict[str, list[str]], told: argparse.Namespace) -> Brief:
    """The rollout: no soak, health after every wave."""
    hosts = [host for names in waves.values() for host in names]
    return Brief(
        release,
        "normal",
        tuple(PlannedWave(name, tuple(names), {}, 0.0, ("health",)) for name, names in waves.items()),
        (),
        dict.fromkeys(hosts, before),
        {host: host.split(".")[1] for host in hosts},
        gates={"health": {"kind": "health", "time": 120.0}},
        budget=Budget(0, 0),
        pace=Pace(slice=told.slice, in_flight=told.in_flight, interval=told.interval),
    )


def engine(config: str, store: str, number: int, gather: float | None) -> None:
    """Drive one rollout to its end, and say what that took; in a process of its own, for its memory."""
    opened = Store(parse(store))
    if gather is not None:
        machine.GATHER = gather
    from salt.config import master_config

    fleet_ = SaltFleet(master_config(config))
    driver, journal = Driver(opened, fleet_, gates.judge, holder="bench"), Journal(opened)
    begin, used = time.monotonic(), time.process_time()
    driver.run(1.0, after=lambda: driver.end() if driver.finished else None)
    figures = {
        "seconds": round(time.monotonic() - begin, 2),
        "processor_s": round(time.process_time() - used, 2),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "status": journal.rollout(number).status,
    }
    print(json.dumps(figures))


def phases(events: list[Event]) -> dict[str, float]:
    """From the journal: seconds of the look before the start, and of each wave."""
    at = {event.kind: event.at for event in events if event.kind in ("started", "checked", "finished")}
    begun = {event.body["wave"]: event.at for event in events if event.kind == "wave"}
    ended = {event.body["wave"]: event.at for event in events if event.kind == "promoted"}
    took = {"look": (at["checked"] - at["started"]).total_seconds()}  # type: ignore[operator]
    took |= {name: (ended[name] - begun[name]).total_seconds() for name in begun}  # type: ignore[operator]
    return {name: round(seconds, 2) for name, seconds in took.items()}


def replay(folder: Path, hosts: list[str]) -> dict[str, float]:
    """Reading and folding a journal of a hundred thousand events, from the store."""
    store, _, (old, new) = prepared(folder / "replay.db", hosts)
    journal = Journal(store)
    told = argparse.Namespace(slice=200, in_flight=400, interval=30.0)
    number = journal.start(brief(new, old, waves_of(hosts), told), "bench", "replay")
    events = list(_long(waves_of(hosts)))[: REPLAYED - 1]
    from tidegate.rollout.lease import Leases

    lease = Leases(store).acquire("bench", 3600)
    assert lease is not None
    for at in range(0, len(events), 5000):
        journal.record(number, events[at : at + 5000], {}, lease.epoch)
    begin = time.monotonic()
    state = State.new(journal.brief(number))
    found = journal.events(number)
    read = time.monotonic() - begin
    fold(state, found, 0.0)
    return {"events": len(found), "read_s": round(read, 2), "read_and_fold_s": round(time.monotonic() - begin, 2)}


def _long(waves: dict[str, list[str]]) -> Iterator[Event]:
    """A wave applied and confirmed host by host, and then judged for days."""
    verdict = {
        "gate": "health",
        "outcome": "pass",
        "reason": "500 hosts run what was given",
        "evidence": {"hosts": 500},
    }
    yield Event("checked", {"problems": {}})
    count = 0
    for name, hosts in waves.items():
        yield Event("wave", {"wave": name})
        for act, outcome in (("apply", "applied"), ("confirm", "changed")):
            for host in hosts:
                count += 1
                jid = f"{count:020d}_tg"
                yield Event("job", {"jid": jid, "act": act, "hosts": [host], "wave": name})
                yield Event("returned", {"jid": jid, "hosts": {host: {"outcome": outcome, "reason": "as planned"}}})
        for round_ in range(1, 20_001):
            yield Event("judged", {"wave": name, "round": round_, "elapsed": 30.0, "verdicts": [verdict]})
        yield Event("promoted", {"wave": name})


def measure(told: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    hosts = [f"edge{n}.pop{n % 100}" for n in range(told.hosts)]
    waves = waves_of(hosts)
    config = {"worker_threads": told.workers, "timeout": 30, "publish_session": 86400, "keep_jobs_seconds": 86400}
    with real_salt.running(minions=(), **config) as salt:
        store, plans, (old, new) = prepared(salt.folder / "store.db", hosts)
        with fleet(salt, plans, told):
            fleet_ = SaltFleet(salt.opts)
            answers = fleet_.ask("traffic.report", hosts[:50], {}, 30)
            assert len(answers) == min(50, told.hosts), f"only {len(answers)} of 50 answer"
            begin = time.monotonic()
            asked = len(fleet_.ask("traffic.report", hosts[:1000], {}, 300))
            per_second = round(asked / (time.monotonic() - begin), 1)
            bare_took = bare(fleet_, waves, told.slice)
            number = Journal(store).start(brief(new, old, waves, told), "bench", "to be measured")
            arguments = [str(salt.folder / "master" / "master"), str(salt.folder / "store.db"), str(number)]
            command = [sys.executable, __file__, "--engine", *arguments]
            command += ["--gather", str(told.gather)] if told.gather is not None else []
            ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            events = Journal(store).events(number)
        replayed = replay(salt.folder, hosts)
    rollout = json.loads(ran.stdout)
    by_phase = phases(events)
    total, total_waves = sum(bare_took.values()), sum(by_phase[name] for name in bare_took)
    return {
        "hosts": told.hosts,
        "cores": os.cpu_count(),
        "work_s": told.work,
        "settle_s": told.settle,
        "slice": told.slice,
        "reports_per_second": per_second,
        "bare": {**bare_took, "total": round(total, 2)},
        "rollout": {**by_phase, "waves": round(total_waves, 2), **rollout},
        "ratio_of_waves": round(total_waves / total, 3),
        "ratio_with_the_look": round(rollout["seconds"] / total, 3),
        "events": len(events),
        "replay": replayed,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=5000)
    parser.add_argument("--work", type=float, default=3.0, help="seconds that state.apply takes on a host, on average")
    parser.add_argument(
        "--settle", type=float, default=10.0, help="seconds for which health must hold before a confirm"
    )
    parser.add_argument("--slice", type=int, default=500)
    parser.add_argument("--in-flight", type=int, default=5000)
    parser.add_argument("--interval", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2, help="the master's worker_threads")
    parser.add_argument("--gather", type=float, help="another value for machine.GATHER")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--engine", nargs=3, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.engine:
        engine(told.engine[0], told.engine[1], int(told.engine[2]), told.gather)
        return
    figures = measure(told)
    print(json.dumps(figures, indent=2) if told.json else yaml.safe_dump(figures, sort_keys=False))


if __name__ == "__main__":
    main()
