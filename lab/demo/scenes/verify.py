"""The testinfra suite against every host."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from itertools import groupby

from lab.demo.stage import PILLAR, Stage
from lab.fleet import REPO

TITLE = "testinfra proves every host"
_LINE = re.compile(r"tests/verify/(\w+)\.py::(\w+)\[\w+://([^\]]+)\] (PASSED|FAILED|ERROR|SKIPPED)")


def play(stage: Stage) -> str:
    """Run ``tests/verify`` on every edge, with the policy as the judge of each host's plan."""
    stage.show.tell(
        "What is right comes from each host's plan and from the policy; the same suite serves anyone's fleet."
    )
    found, output, code = _run(stage)
    hosts = [host.name for host in stage.fleet.topology.edges]
    tests = list(dict.fromkeys(test for test, _ in found))
    rows = []
    for subject, group in groupby(tests, key=lambda test: test[0]):
        rows.append((subject, ""))
        rows += [(f"  {test[1]}", _count(found.get((test, host)) for host in hosts)) for test in group]
    stage.show.table(("test", "hosts that pass"), rows, right=[1])
    stage.show.tell("")
    stage.show.table(
        ("host", "tests that pass"),
        [(host, _count(found.get((test, host)) for test in tests)) for host in hosts],
        right=[1],
    )
    stage.show.output(output.strip().splitlines()[-1].strip("= "))
    passed = sum(outcome == "passed" for outcome in found.values())
    good = code == 0 and passed == len(found) == len(tests) * len(hosts)
    stage.claim(good, "every test passes on every host", output[-4000:])
    stage.show.means("Sessions, announcements, filter and shaping on each host are exactly the planned ones.")
    return f"{passed} tests passed on {len(hosts)} hosts"


def _count(outcomes: Iterable[str | None]) -> str:
    """How many passed of how many: ``4 of 4``; a test that is missing on a host has not passed."""
    every = list(outcomes)
    return f"{every.count('passed')} of {len(every)}"


def _run(stage: Stage) -> tuple[dict[tuple[tuple[str, str], str], str], str, int]:
    """Outcomes by (module, test) and host, all that pytest printed, and its exit code."""
    engine, fleet = stage.fleet.engine.command, stage.fleet
    containers = {fleet.container(host): host.name for host in fleet.topology.edges}
    hosts = ",".join(f"{engine}://{name}" for name in containers)
    options = ["tests/verify", f"--hosts={hosts}", f"--pillar={PILLAR.name}"]
    stage.show.command([".venv/bin/pytest", *options])
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--color=no", *options]
    found, lines = {}, []
    with stage.show.waiting("pytest") as tell:
        pytest = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in pytest.stdout or ():
            lines.append(line)
            if match := _LINE.match(line):
                module, test, container, outcome = match.groups()
                subject, name = module.removeprefix("test_"), test.removeprefix("test_").replace("_", " ")
                found[(subject, name), containers[container]] = outcome.lower()
                tell(f"{len(found)} tests done")
        code = pytest.wait()
    return found, "".join(lines), code
