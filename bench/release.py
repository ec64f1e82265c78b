"""How long a release of a generated fleet of ten thousand hosts takes: creation, the next one, look-ups, comparison.

Run `python bench/release.py` from anywhere; `--json` prints figures for `bench/RESULTS.md`; `--store` for PostgreSQL.
Creation is measured from a checked policy, and apart from it what reading and checking it from files takes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from compile import fleet_of, timed

from tidegate.policy.load import examine, load
from tidegate.policy.model import Policy
from tidegate.release.comparison import compared
from tidegate.release.creation import Request, create
from tidegate.release.location import parse
from tidegate.release.release import Release
from tidegate.release.store import Store
from tidegate.release.verification import verify

LOOK_UPS = 2000


def request(document: dict[str, Any]) -> Request:
    """A request to create; nothing has been worked out from its policy yet."""
    return Request(Policy.model_validate(document), document, "bench")


def create_one(store: Store, document: dict[str, Any]) -> tuple[Release, dict[str, float]]:
    """Create a release once, because the second time it is there already."""
    created: list[Release] = []
    wanted = request(document)
    took = timed(lambda: created.append(create(store, wanted, lambda _step: None)[1]), 1)
    return created[0], took


def one_host_changed(document: dict[str, Any], number: int) -> dict[str, Any]:
    """The policy with another class for one host, which changes that host's plan alone."""
    hosts = dict(document["fleet"]["hosts"])
    name = list(hosts)[number]
    hosts[name] = {**hosts[name], "class": "gen11" if hosts[name]["class"] == "gen10" else "gen10"}
    return {**document, "fleet": {**document["fleet"], "hosts": hosts}}


def every_host_changed(document: dict[str, Any]) -> dict[str, Any]:
    """The policy with another rate on every host's link."""
    return {**document, "shaping": [{**document["shaping"][0], "rate": "9gbit"}]}


def look_ups(store: Store, release: Release) -> dict[str, float]:
    """Milliseconds for the plan of one host, over many hosts."""
    hosts = list(store.digests(release))
    took, used = [], time.process_time()
    for number in range(LOOK_UPS):
        start = time.perf_counter()
        store.plan(release.id, hosts[number * 7919 % len(hosts)])
        took.append((time.perf_counter() - start) * 1000)
    cpu = (time.process_time() - used) * 1000 / LOOK_UPS
    took.sort()
    return {
        "median_ms": round(median(took), 3),
        "p99_ms": round(took[LOOK_UPS * 99 // 100], 3),
        "cpu_ms": round(cpu, 3),
    }


def from_files(document: dict[str, Any]) -> dict[str, float]:
    """Reading and checking the policy from one file: Jinja, YAML, schema, checks."""
    with tempfile.TemporaryDirectory() as folder:
        traffic = Path(folder, "traffic")
        traffic.mkdir()
        (traffic / "all.sls").write_text(yaml.dump({"traffic": document}, Dumper=yaml.CSafeDumper))
        return timed(lambda: load(Path(folder)), 1)


def measure(size: int, times: int, url: str, files: bool) -> dict[str, Any]:
    """All figures."""
    document = fleet_of(size)
    if problems := examine(document).problems:
        sys.exit("\n".join(map(str, problems[:10])))
    store = Store(parse(url), create=True)
    first, figures = create_one(store, document)
    changed = [create_one(store, one_host_changed(document, number + 1)) for number in range(times)]
    every, every_took = create_one(store, every_host_changed(document))
    return {
        "hosts": size,
        "store": store.name.split(":")[0],
        "create_first": figures,
        "create_one_host_changed": best(changed),
        "create_every_host_changed": every_took,
        "create_unchanged": timed(lambda: create(store, request(document), lambda _step: None), 1),
        "look_up": look_ups(store, first),
        "list": timed(lambda: store.releases(20), times),
        "delta_one_host": timed(lambda: compared(store, first, changed[0][0]).as_dict(), 1),
        "delta_every_host": timed(lambda: compared(store, first, every).as_dict(), 1),
        "verify": timed(lambda: verify(store, [first], lambda _step: None), 1),
        **({"read_and_check_files": from_files(document)} if files else {}),
    }


def best(runs: list[tuple[Release, dict[str, float]]]) -> dict[str, float]:
    """Of several single runs: what `timed` says of several."""
    wall = [took["min_s"] for _, took in runs]
    cpu = min(took["cpu_s"] for _, took in runs)
    return {"min_s": min(wall), "median_s": round(median(wall), 3), "cpu_s": cpu}


def store_bytes(url: str) -> int | None:
    """Size of a SQLite store."""
    path = parse(url).database
    return Path(path).stat().st_size if path and url.startswith("/") else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--store", help="an empty store; a temporary SQLite file without it")
    parser.add_argument("--no-files", action="store_true", help="leave out reading the policy from files")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.store or f"{folder}/store.db"
        figures = measure(options.hosts, options.times, url, not options.no_files)
        figures["store_bytes"] = store_bytes(url)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    show(figures)


def show(figures: dict[str, Any]) -> None:
    """The figures for people."""
    print(f"{figures['hosts']} hosts, {figures['store']}, seconds: min / median / processor")
    for name, took in figures.items():
        if isinstance(took, dict) and "min_s" in took:
            print(f"  {name:26} {took['min_s']:8.3f} / {took['median_s']:.3f} / {took['cpu_s']:.3f}")
    found = figures["look_up"]
    print(f"  {'look_up':26} {found['median_ms']:8.3f} ms, p99 {found['p99_ms']} ms, processor {found['cpu_ms']} ms")
    if figures["store_bytes"]:
        print(f"  {'store':26} {figures['store_bytes'] / 1e6:8.1f} MB")


if __name__ == "__main__":
    main()
