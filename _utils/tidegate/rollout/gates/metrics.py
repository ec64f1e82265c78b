"""``metrics``: what do the users of these hosts see, by what a Prometheus has measured?

`prometheus` asks, `query` fills in, and there are two judges of what comes back: `threshold` holds each answer against
bounds, `comparing` holds hosts with the release against hosts without it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.host.errors import Refused
from tidegate.rollout.gates.gate import Context, Finding, brief, overall, told
from tidegate.rollout.gates.prometheus import Instant, Prometheus, PrometheusError, Unreachable
from tidegate.rollout.gates.query import render
from tidegate.rollout.gates.threshold import Limits, judged, worst_first
from tidegate.rollout.verdict import Verdict

if TYPE_CHECKING:
    from tidegate.rollout.gates.comparing import Compared

TIME = 10.0
"""Seconds that all queries together may take, if the settings do not say."""
LEAST = 2.0
"""Seconds that a query looks back at least: right after its hosts have settled, the gate waits for as long."""
WINDOW = 300.0
"""Seconds that a query looks back at most, so that what is wrong now is not lost in what was right an hour ago."""
MOST_SERIES = 5
"""Series of one answer that evidence has."""


@dataclass(frozen=True)
class Question:
    """One query for one part of the fleet: the wave, or the waves that are promoted."""

    settings: Mapping[str, Any]
    part: str
    hosts: tuple[str, ...]
    query: str

    @property
    def name(self) -> str:
        """What findings call it."""
        name = str(self.settings.get("name") or "query")
        return name if self.part == "wave" else f"{name} ({self.part})"


def judge(context: Context) -> Verdict:
    """Ask every query for the hosts of the wave, and again for those of promoted waves.

    Settings: ``prometheus``, its address; ``queries``, each with ``name``, ``query`` and ``max`` or ``min``; ``time``;
    ``compare`` and ``judge``, as `policy.compared` gives them. Queries look back for `LEAST` to `WINDOW` seconds, and
    no further than to when the wave had the release.
    Headers for an address are in the master's configuration: ``tidegate: {prometheus_headers: {ADDRESS: {…}}}``.
    """
    if context.elapsed < LEAST:
        time.sleep(LEAST - context.elapsed)
    window = min(max(context.elapsed, LEAST), WINDOW)
    server = _server(context)
    deadline = time.monotonic() + float(context.settings.get("time") or TIME)
    findings, seen = [], []
    for question in _questions(context, window):
        finding, evidence = _found(server, question, window, deadline)
        findings.append(finding)
        seen.append({**finding.as_dict(), **evidence})
        if "unreachable" in evidence:
            break  # the next would hardly do better, and each takes its time
    known = {"prometheus": server.url, "window": int(window), "queries": seen}
    if context.settings.get("compare"):
        # NumPy and SciPy take a while to load, and few gates need them.
        from tidegate.rollout.gates import comparing

        return _with_comparison(context, findings, known, comparing.compared(context, server, deadline))
    outcome = overall(findings)
    reason = told(findings, "queries") if outcome != "pass" else _all_good(findings)
    return context.verdict(outcome, reason, known)


def _with_comparison(context: Context, findings: list[Finding], known: dict[str, Any], found: Compared) -> Verdict:
    """Both halves: a query that could not be answered is not made up for by a judge that just needs time."""
    both = [*findings, found.finding]
    outcome = overall(both)
    then = found.then if outcome == "inconclusive" and all(each.outcome == "pass" for each in findings) else ""
    alike = found.finding if found.finding.outcome == outcome else None
    reason = alike.reason if alike and (then or not findings or outcome == "fail") else told(both, "queries")
    return context.verdict(outcome, reason, {**known, **found.evidence}, then)


def _all_good(findings: list[Finding]) -> str:
    first = f"{findings[0].subject}: {findings[0].reason}"
    return first if len(findings) == 1 else f"all {len(findings)} queries are within their limits; {first}"


def _server(context: Context) -> Prometheus:
    url = str(context.settings["prometheus"])
    headers = context.ours.get("prometheus_headers") or {}
    return Prometheus(url, headers.get(url) or {})


def _questions(context: Context, window: float) -> Iterator[Question]:
    """Every query for every part; one that does not depend on hosts is asked once."""
    asked = set()
    for part, hosts in (("wave", context.hosts), ("promoted", context.promoted)):
        for settings in context.settings.get("queries", ()) if hosts else ():
            query = render(settings["query"], hosts, window)
            if query not in asked:
                asked.add(query)
                yield Question(settings, part, hosts, query)


def _found(server: Prometheus, question: Question, window: float, deadline: float) -> tuple[Finding, dict[str, Any]]:
    evidence: dict[str, Any] = {"query": brief(question.settings["query"], 1000), "hosts": len(question.hosts)}
    try:
        limits = Limits.of(question.settings)
        answer = _asked(server, question.query, window, deadline)
    except (PrometheusError, Refused) as error:
        if isinstance(error, Unreachable):
            evidence["unreachable"] = True
        return Finding(question.name, "inconclusive", brief(error)), evidence
    evidence |= {"limits": str(limits), "series": len(answer.samples), "worst": _worst(limits, answer)}
    return judged(question.name, limits, answer, question.hosts), evidence


def _asked(server: Prometheus, query: str, window: float, deadline: float) -> Instant:
    """What was measured before the wave had the release does not count, so a sample may be as old as the window."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise Unreachable("the gate's time was up before this was asked")
    return server.instant(query, left, lookback=window)


def _worst(limits: Limits, answer: Instant) -> list[dict[str, Any]]:
    """The series that decide. Values are text, as in Prometheus: JSON has no NaN."""
    samples = [sample for sample in answer.samples if sample.value != sample.value]
    samples += worst_first(limits, [sample for sample in answer.samples if sample.value == sample.value])
    return [
        {"labels": {name: brief(value, 100) for name, value in sample.labels.items()}, "value": f"{sample.value:g}"}
        for sample in samples[:MOST_SERIES]
    ]
