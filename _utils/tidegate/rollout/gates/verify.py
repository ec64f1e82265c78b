"""``verify``: the testinfra suite on every host of the wave, over Salt, several hosts at a time."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tidegate
from tidegate.host.errors import Refused
from tidegate.rollout.gates.gate import Context, Finding, evidence, overall, told
from tidegate.rollout.gates.junit import Case
from tidegate.rollout.gates.shard import Outcome, Suite, by_host, run
from tidegate.rollout.verdict import Verdict

TIME = 300.0
WORKERS = 4
CONNECTION = "salt://{host}"
MOST_HOSTS = 25
"""Hosts in one shard. What a shard found is known when it ends, so it must not be the whole wave."""
MOST_FAILURES = 10
"""Failed tests that evidence has with their messages."""


def judge(context: Context) -> Verdict:
    """Run the suite over the hosts of the wave. Promoted waves are left to ``health``, which costs them less.

    Settings: ``time``, the seconds it may take; ``workers``, how many processes; ``parts``, which of the suite's files
    (``bird`` for ``test_bird.py``), all if it has none. The master's configuration may name another suite and another
    connection of testinfra's: ``tidegate: {verify: FOLDER, verify_over: "ssh://root@{host}"}``.
    """
    suite = _suite(context)
    workers = max(1, int(context.settings.get("workers") or WORKERS))
    seconds = float(context.settings.get("time") or TIME)
    began = time.monotonic()
    outcomes = _run(suite, shards(context.hosts, workers), workers, began + seconds)
    return _verdict(context, outcomes, round(time.monotonic() - began, 1))


def shards(hosts: Sequence[str], workers: int) -> list[tuple[str, ...]]:
    """Hosts in shares of nearly equal size: one for each worker, or more if those were large."""
    number = min(len(hosts), max(workers, -(-len(hosts) // MOST_HOSTS)))
    return [tuple(hosts[first::number]) for first in range(number)]


def _suite(context: Context) -> Suite:
    configured = context.ours.get("verify")
    folder = Path(configured) if configured else Path(tidegate.__file__).resolve().parents[2] / "tests" / "verify"
    if not folder.is_dir():
        raise Refused(f"there is no suite in {folder}: set tidegate: {{verify: FOLDER}} in the master's configuration")
    parts = context.settings.get("parts")
    paths = tuple(folder / f"test_{part}.py" for part in parts) if parts else (folder,)
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise Refused(f"the suite has no {missing[0].name}; its folder is {folder}")
    config = context.options.get("conf_file")
    return Suite(paths, context.ours.get("verify_over") or CONNECTION, str(config) if config else None)


def _run(suite: Suite, shares: Iterable[Sequence[str]], workers: int, deadline: float) -> list[Outcome]:
    def one(folder: Path, hosts: Sequence[str]) -> Outcome:
        folder.mkdir()
        return run(suite, hosts, deadline - time.monotonic(), folder)

    with tempfile.TemporaryDirectory(prefix="tidegate-verify-") as folder, ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(one, Path(folder) / str(number), share) for number, share in enumerate(shares)]
        return [job.result() for job in jobs]


def _verdict(context: Context, outcomes: Sequence[Outcome], seconds: float) -> Verdict:
    troubles = {host: outcome.trouble for outcome in outcomes for host in outcome.hosts if outcome.trouble}
    cases = by_host(outcomes)
    findings = [_host(host, cases.get(host, ()), troubles.get(host)) for host in context.hosts]
    others = [case for host in cases.keys() - {*context.hosts} for case in cases[host] if case.result == "failed"]
    findings += [_host("a test of no host", others, None)] if others else []
    outcome = overall(findings)
    tests = Counter(case.result for found in cases.values() for case in found)
    reason = told(findings, "hosts")
    if outcome == "pass":
        reason = f"{tests['passed']} tests passed on {len(context.hosts)} host{'s'[: len(context.hosts) != 1]}"
    seen = {
        "hosts": len(context.hosts),
        "tests": {result: tests[result] for result in ("passed", "failed", "skipped", "unreached")},
        "failures": _failures(cases),
        "seconds": seconds,
        **evidence(findings),
    }
    return context.verdict(outcome, reason, seen)


def _host(host: str, cases: Sequence[Case], trouble: str | None) -> Finding:
    """A test that failed is a failure, whatever else there was; anything but a test that passed is no success."""
    failed = [case for case in cases if case.result == "failed"]
    if failed:
        more = f" (and {len(failed) - 1} more of its tests)" if len(failed) > 1 else ""
        return Finding(host, "fail", f"{failed[0].test}: {failed[0].message}{more}")
    unreached = next((case for case in cases if case.result == "unreached"), None)
    if trouble or unreached:
        return Finding(host, "inconclusive", trouble or f"was not reached: {unreached.message if unreached else ''}")
    passed = sum(case.result == "passed" for case in cases)
    if not passed:
        return Finding(host, "inconclusive", f"{len(cases)} tests, all skipped" if cases else "no test ran")
    return Finding(host, "pass", f"{passed} tests passed")


def _failures(cases: Mapping[str, Sequence[Case]]) -> list[dict[str, Any]]:
    """The first failures, one of every host before the second of any."""
    failed = [
        (nth, {"host": host, "test": case.test, "message": case.message})
        for host, found in cases.items()
        for nth, case in enumerate(case for case in found if case.result == "failed")
    ]
    return [failure for _, failure in sorted(failed, key=lambda one: one[0])[:MOST_FAILURES]]
