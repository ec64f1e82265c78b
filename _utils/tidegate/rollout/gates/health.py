"""``health``: does every host run what it was given, confirmed, undisturbed, and are its checks good?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.rollout.gates.gate import Context, Finding, brief, evidence, overall, told
from tidegate.rollout.patience import patience
from tidegate.rollout.verdict import Verdict

_SHORT = 12


def judge(context: Context) -> Verdict:
    """Ask the hosts of the wave and of promoted waves for their ``traffic.report``. It has no settings."""
    hosts = tuple(dict.fromkeys((*context.hosts, *context.promoted)))
    findings = [_host(context, host, report) for host, report in _reports(context, hosts).items()]
    outcome = overall(findings)
    reason = told(findings, "hosts")
    if outcome == "pass":
        reason = f"{len(findings)} {'host runs' if len(findings) == 1 else 'hosts run'} what was given, in good health"
    return context.verdict(outcome, reason, {"hosts": len(hosts), **evidence(findings)})


def _reports(context: Context, hosts: Iterable[str]) -> dict[str, Any]:
    """Host → its report; ``None`` for who is silent. Only hosts that were asked are in it, whoever answers."""
    reports = {host: context.known.get(host) for host in hosts}
    unknown = [host for host, report in reports.items() if report is None]
    if unknown:
        answers = context.fleet.ask("traffic.report", unknown, {}, patience(len(unknown)))
        reports.update({host: answers.get(host) for host in unknown})
    return reports


def _host(context: Context, host: str, report: Any) -> Finding:
    if report is None:
        return Finding(host, "inconclusive", "did not answer in time")
    expected = context.expected.get(host)
    if expected is None:
        return Finding(host, "inconclusive", "nobody said which plan it is to run")
    try:
        return _judged(host, report, expected)
    except (KeyError, TypeError, AttributeError, ValueError):
        return Finding(host, "inconclusive", f"answered what is no report: {brief(report)}")


def _judged(host: str, report: Mapping[str, Any], expected: str) -> Finding:
    health = report["health"]
    wrong = _not_as_given(report, expected) or _bad(health, "bad") or _drifted(report)
    if wrong:
        return Finding(host, "fail", wrong)
    if health["status"] != "ok":
        return Finding(host, "inconclusive", _bad(health, "unknown") or f"its health is {brief(health['status'])}")
    return Finding(host, "pass", "runs what it was given, in good health")


def _not_as_given(report: Mapping[str, Any], expected: str) -> str | None:
    for what, runs in (("runs", report["plan"]), ("has confirmed", report["confirmed"])):
        if runs != expected:
            return f"{what} {f'plan {brief(runs, _SHORT)}' if runs else 'no plan'}, was given {expected[:_SHORT]}"
    return "a change of it is under way that nobody has confirmed" if report["pending"] else None


def _bad(health: Mapping[str, Any], status: str) -> str | None:
    """The first check of this status, and how many more there are; without checks the reason of the whole."""
    if health["status"] != status:
        return None
    checks = [check for check in health["checks"] if check["status"] == status]
    if not checks:
        return brief(health.get("reason", f"its health is {status}"))
    more = f" (and {len(checks) - 1} more checks)" if len(checks) > 1 else ""
    return f"{brief(checks[0]['name'])}: {brief(checks[0]['reason'])}{more}"


def _drifted(report: Mapping[str, Any]) -> str | None:
    """What was changed by hand. On a host that is left alone people know of it."""
    drift: Mapping[str, list[str]] = report["drift"]
    if not drift.items() or report["left_alone"]:
        return None
    what = [f"{subsystem}: {lines[0] if lines else 'something'}" for subsystem, lines in sorted(drift.items())]
    return f"was changed by hand: {brief('; '.join(what))}"
