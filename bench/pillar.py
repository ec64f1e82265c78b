"""What a host's pillar costs the master when plans come from a release of ten thousand hosts, beside a stock pillar.

Three masters answer the same minions in turn, each by Salt's own compilation of a pillar: one whose ext_pillar has a
plan at hand, one with ours, and a stock one with twenty Jinja files of a hundred keys each. Our part of it is measured
apart, because Salt's own varies by more than that. Run `python bench/pillar.py` from anywhere; `--json`
prints figures for `bench/RESULTS.md`; `--store` for PostgreSQL. Ends with 1 if a look-up takes more than a millisecond
of processor time.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import salt.config
import salt.pillar
from compile import fleet_of

from tidegate.host.plan import Plan
from tidegate.policy.model import Policy
from tidegate.release.creation import Request, create
from tidegate.release.location import parse
from tidegate.release.operations import Operations
from tidegate.release.pillar import answer
from tidegate.release.store import Store
from tidegate.rollout.brief import Brief, PlannedWave
from tidegate.rollout.event import Event
from tidegate.rollout.journal import Journal
from tidegate.rollout.lease import Leases

REPOSITORY = Path(__file__).resolve().parent.parent
MOST_MILLISECONDS = 1.0
FILES, KEYS = 20, 100
STOCK = """\
{% set names = ['a', 'b', 'c', 'd', 'e'] %}
part{{ number }}:
{% for key in range(KEYS) %}
  key{{ key }}:
    value: {{ grains['id'] }}-{{ key }}
    list: [{% for name in names %}'{{ name }}{{ key }}'{% if not loop.last %}, {% endif %}{% endfor %}]
{% endfor %}
"""


def stock(folder: Path) -> Path:
    """A pillar as people write it without Tidegate: top.sls and Jinja files."""
    folder.mkdir()
    names = [f"part{number}" for number in range(FILES)]
    (folder / "top.sls").write_text("base:\n  '*':\n" + "".join(f"    - {name}\n" for name in names))
    for number, name in enumerate(names):
        text = STOCK.replace("{{ number }}", str(number)).replace("KEYS", str(KEYS))
        (folder / f"{name}.sls").write_text(text)
    return folder


AT_HAND = """\
import json
with open({path!r}) as file:
    PLAN = json.load(file)
def ext_pillar(minion_id, pillar):
    return {{"traffic": PLAN}}
"""


def at_hand(folder: Path, plan: Plan) -> Path:
    """A folder with an ext_pillar that looks nothing up."""
    folder.mkdir()
    (folder / "plan.json").write_text(plan.canonical())
    (folder / "at_hand.py").write_text(AT_HAND.format(path=str(folder / "plan.json")))
    return folder


def empty(folder: Path) -> Path:
    """A pillar with nothing in it."""
    folder.mkdir()
    (folder / "top.sls").write_text("base: {}\n")
    return folder


def master(folder: Path, pillar: Path, **other: Any) -> dict[str, Any]:
    """A master's options."""
    opts = salt.config.DEFAULT_MASTER_OPTS.copy()
    settings = {"pillar_dirs": [str(REPOSITORY / "_pillar")], **other}
    opts.update(
        __role="master",
        id="master",
        cachedir=str(folder / "cache"),
        extension_modules=str(folder / "extmods"),
        pillar_roots={"base": [str(pillar)]},
        file_roots={"base": [str(folder)]},
        optimization_order=[0],
        utils_dirs=[str(REPOSITORY / "_utils")],
        **settings,
    )
    return opts


def compiled(opts: dict[str, Any]) -> Callable[[str], Any]:
    """Salt's own compilation of a minion's pillar, as a master does it for every minion that asks."""

    def compile_one(host: str) -> Any:
        pillar = salt.pillar.Pillar(opts, {"id": host}, host, "base")
        found = pillar.compile_pillar()
        if "_errors" in found:
            sys.exit(f"the pillar of {host} has errors: {found['_errors']}")
        return found

    return compile_one


def in_turn(works: Mapping[str, Callable[[str], Any]], hosts: list[str]) -> dict[str, dict[str, float]]:
    """Milliseconds for one host, over hosts; each host by all of them, one after the other."""
    took: dict[str, list[float]] = {name: [] for name in works}
    used: dict[str, list[float]] = {name: [] for name in works}
    for host in hosts:
        for name, work in works.items():
            start, processor = time.perf_counter(), time.process_time()
            work(host)
            took[name].append((time.perf_counter() - start) * 1000)
            used[name].append((time.process_time() - processor) * 1000)
    return {
        name: {
            "best_ms": round(min(took[name]), 3),
            "median_ms": round(median(took[name]), 3),
            "p99_ms": round(sorted(took[name])[len(hosts) * 99 // 100], 3),
            "cpu_ms": round(median(used[name]), 3),
        }
        for name in works
    }


def rollout_over(store: Store, release: str, hosts: list[str]) -> None:
    """Assign every host, as a rollout does."""
    wave = PlannedWave("all", tuple(hosts), {}, 0.0, ())
    brief = Brief(release, "normal", (wave,), (), dict.fromkeys(hosts), dict.fromkeys(hosts, "pop"))
    number = Journal(store).start(brief, "bench", "")
    epoch = Leases(store).acquire("bench", 30).epoch
    Journal(store).record(number, [Event("wave", {"wave": "all"})], dict.fromkeys(hosts, release), epoch)


def measure(size: int, rounds: int, url: str, folder: Path) -> dict[str, Any]:
    """All figures."""
    document = fleet_of(size)
    store = Store(parse(url), create=True)
    request = Request(Policy.model_validate(document), document, "bench")
    _, release, _ = create(store, request, lambda _step: None)
    hosts = list(store.digests(release))
    rollout_over(store, release.id, hosts)
    operations = Operations(store)
    for number in range(5):
        operations.add("hold", {"host": hosts[number]}, {}, who="bench", why="some are always there")
    some = [hosts[number * 7919 % size] for number in range(rounds)]
    many = [hosts[number * 7919 % size] for number in range(10 * rounds)]
    nothing = empty(folder / "nothing")
    modules = at_hand(folder / "modules", store.plan(release.id, hosts[0]))
    ours = master(folder, nothing, ext_pillar=[{"tidegate": {}}], tidegate={"store": url})
    masters = {
        "at_hand": compiled(master(folder, nothing, ext_pillar=[{"at_hand": {}}], pillar_dirs=[str(modules)])),
        "ours": compiled(ours),
        "stock": compiled(master(folder, stock(folder / "stock"))),
    }
    for work in masters.values():
        work(some[0])
    gc.collect()
    found: dict[str, Any] = {"hosts": size, "store": store.name.split(":")[0]}
    found["look_up_first"] = in_turn({"": lambda host: answer(host, ours)}, many)[""]
    found["look_up"] = in_turn({"": lambda host: answer(host, ours)}, many)[""]
    found |= in_turn(masters, some)
    found["stock_to_ours"] = round(found["stock"]["best_ms"] / found["ours"]["best_ms"], 1)
    return found


def show(found: dict[str, Any]) -> None:
    """The figures for people."""
    print(f"{found['hosts']} hosts, {found['store']}, milliseconds a host: best / median / 99 of 100 / processor")
    for name, took in found.items():
        if isinstance(took, dict):
            print(f"  {name:14} " + " / ".join(f"{took[key]:8.3f}" for key in took))
    print(f"  a stock pillar takes {found['stock_to_ours']} times as long as ours")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--store", help="an empty store; a temporary SQLite file without it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        url = options.store or f"{folder}/store.db"
        found = measure(options.hosts, options.rounds, url, Path(folder))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    sys.exit(found["look_up"]["cpu_ms"] > MOST_MILLISECONDS)


if __name__ == "__main__":
    main()
