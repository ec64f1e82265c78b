"""One run of pytest over some hosts, in a process of its own that ends in time."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tidegate
from tidegate.rollout.gates import junit
from tidegate.rollout.gates.gate import brief

MOST_FAILURES = 20
"""Failed tests after which a shard ends: its hosts are bad, and everybody waits."""
_ABANDONED = 5
"""Seconds after its time at which a shard ends by itself, for nobody may be left to end it."""
_TAIL = 4000
_RAN = (0, 1)
"""pytest's exit statuses for "all tests ran": good, and some failed."""


@dataclass(frozen=True)
class Suite:
    """What is run.

    Attributes:
        paths: The folder of tests, or some of its files.
        connection: How to reach a host: ``salt://{host}``.
        config: The master's configuration file, if it is known, for ``salt://``.
    """

    paths: tuple[Path, ...]
    connection: str
    config: str | None = None

    def command(self, hosts: Sequence[str], report: Path) -> list[str]:
        """The command that runs it over hosts and writes a JUnit report."""
        specs = ",".join(self.connection.format(host=host) for host in hosts)
        # Not `importlib`, which a suite's own configuration may ask for: with it pytest stumbles over an import hook of
        # Salt's that has no `find_spec`.
        return [
            sys.executable, "-m", "pytest", *map(str, self.paths), f"--hosts={specs}", f"--junitxml={report}",
            "--import-mode=prepend", "-p", "tidegate.rollout.gates.attribution", "-p", "no:cacheprovider",
            f"--maxfail={MOST_FAILURES}", "-q", "--tb=short", "--color=no",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Its environment: this library is found in it, and nothing is written beside the tests."""
        library = str(Path(tidegate.__file__).parents[1])
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        path = os.pathsep.join(filter(None, (library, os.environ.get("PYTHONPATH"))))
        config = {"SALT_MASTER_CONFIG": self.config} if self.config else {}
        return {**inherited, **config, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Outcome:
    """What came of a shard: its tests, or why there are none."""

    hosts: tuple[str, ...]
    cases: tuple[junit.Case, ...] = ()
    trouble: str | None = None


def run(suite: Suite, hosts: Sequence[str], seconds: float, folder: Path) -> Outcome:
    """Run a suite over hosts, for so long at most; ``folder`` is an empty one for what it writes."""
    if seconds <= 0:
        return Outcome(tuple(hosts), trouble="there was no time left to begin")
    report, output = folder / "report.xml", folder / "output"
    # timeout(1) ends it when the master was killed and nobody is left to: its tests must not haunt the next round.
    command = ["timeout", "--signal=KILL", str(math.ceil(seconds) + _ABANDONED), *suite.command(hosts, report)]
    try:
        status = _finished(command, output, seconds, env=suite.environment(), cwd=folder)
        if status not in _RAN:
            return Outcome(tuple(hosts), trouble=f"pytest ended with status {status}: {_last_words(output)}")
        return Outcome(tuple(hosts), tuple(_attributed(junit.read(report), hosts)))
    except subprocess.TimeoutExpired:
        return Outcome(tuple(hosts), trouble=f"did not end within {seconds:.0f} s and was killed")
    except (OSError, ValueError) as error:
        return Outcome(tuple(hosts), trouble=f"{brief(error)}; {_last_words(output)}")


def _finished(command: Sequence[str], output: Path, seconds: float, **options: Any) -> int:
    """The exit status; a session of its own, so that nothing which the tests started is left when time is up."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, **options
        )
        try:
            return process.wait(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _last_words(output: Path) -> str:
    """The line that most probably says what went wrong."""
    try:
        lines = output.read_bytes()[-_TAIL:].decode(errors="replace").splitlines()
    except OSError:
        return "it said nothing"
    said = [line.strip() for line in lines if line.strip().strip("=-_! ")]
    raised = [line[2:].strip() for line in said if line.startswith("E ")]
    return brief((raised or said or ["it said nothing"])[-1])


def _attributed(cases: Sequence[junit.Case], hosts: Sequence[str]) -> list[junit.Case]:
    """Cases by host id: where there is only one host, all are about it, whatever its connection calls it."""
    if len(hosts) != 1:
        return list(cases)
    return [junit.Case(hosts[0], case.test, case.result, case.message) for case in cases]


def by_host(outcomes: Sequence[Outcome]) -> Mapping[str, list[junit.Case]]:
    """Host → its cases; a host without any has an empty list."""
    found: dict[str, list[junit.Case]] = {host: [] for outcome in outcomes for host in outcome.hosts}
    for outcome in outcomes:
        for case in outcome.cases:
            found.setdefault(case.host, []).append(case)
    return found
