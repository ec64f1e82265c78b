"""``metrics``, the other half: is anything worse on hosts with the release than on hosts like them without it?

`sides` says who and when, `series` asks, the judge judges (``docs/judge.md``), and this says what follows and what is
kept. Each round judges all that was seen since the change: evidence goes on, whoever drives.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidegate.judge.case import Case
from tidegate.judge.comparison import matched_sets
from tidegate.judge.inconclusive import Next, Patience, next_step
from tidegate.judge.judge import judge_recording
from tidegate.judge.judgement import Judgement, MetricJudgement
from tidegate.judge.recording import Recording
from tidegate.judge.risk import Risk
from tidegate.rollout.gates import sides
from tidegate.rollout.gates.gate import Context, Finding, brief
from tidegate.rollout.gates.prometheus import Prometheus
from tidegate.rollout.gates.series import Asking
from tidegate.rollout.gates.timing import Timing
from tidegate.rollout.verdict import Outcome, Then

LARGEST = 400_000
"""Characters of JSON that a kept case may have; of a larger one the metrics that decided are kept."""
BLIND = frozenset(("provider", "empty"))
"""Faults with which a round has seen nothing: its time does not count, and too many such rounds end the rollout."""
MOST_TOLD = 60
"""Metrics of which an evidence has figures."""

_OUTCOMES: Mapping[Next, tuple[Outcome, Then]] = {
    "promote": ("pass", ""),
    "stop": ("fail", ""),
    "wait": ("inconclusive", "wait"),
    "pause": ("inconclusive", "pause"),
}


@dataclass(frozen=True)
class Compared:
    """What came of it.

    Attributes:
        finding: The outcome and its reason.
        then: What an inconclusive one asks for.
        evidence: What is kept of it.
    """

    finding: Finding
    then: Then
    evidence: Mapping[str, Any]


def compared(context: Context, server: Prometheus, deadline: float) -> Compared:
    """Compare the wave with its baseline, as the gate's settings say.

    Args:
        context: The round.
        server: Whom to ask.
        deadline: Until when it may take, of `time.monotonic`.
    """
    timing = context.timing
    if timing is None:
        return _unknown("nobody knows when the wave changed: hosts cannot be compared")
    if timing.promoted:
        text = "compared while it soaked; its baseline is getting the release"
        return Compared(Finding("judge", "pass", text), "", {})
    settings = context.settings["judge"]
    chosen = sides.comparison(context, timing)
    now = timing.now - settings["behind"]
    # Not while nothing can be said: nobody is asked for hosts that there are not.
    asked = context.settings["compare"] if matched_sets(chosen) else []
    metrics = Asking(server, chosen, now, settings["label"], deadline).metrics(asked)
    if not metrics:
        text = "no host like these is without the release, or had it long enough: there is nobody to compare with"
        return _followed(context, text)
    case = Case.judged(metrics, chosen, now, Risk(false_abort=settings["false_abort"]))
    return _decided(context, timing, case)


def _unknown(text: str) -> Compared:
    return Compared(Finding("judge", "inconclusive", text), "", {})


def _followed(context: Context, text: str) -> Compared:
    """Without anybody to compare with, waiting brings nothing."""
    if context.settings["judge"]["undecided"] == "fail":
        return Compared(Finding("judge", "fail", text), "", {})
    return Compared(Finding("judge", "inconclusive", text), "pause", {})


def _decided(context: Context, timing: Timing, case: Case) -> Compared:
    settings, judgement = context.settings["judge"], case.judgement
    extension = timing.soak if settings["extension"] is None else settings["extension"]
    patience = Patience(settings["undecided"], math.ceil(extension / settings["tick"]))
    changed = case.recording.comparison.changed
    until = _until(context, judgement, patience, changed)
    step = next_step(judgement, patience, until)
    outcome, then = _OUTCOMES[step]
    if step == "wait" and any(fault.kind in BLIND for metric in judgement.metrics for fault in metric.faults):
        then = ""
    told = {
        **sides.evidence(case.recording.comparison),
        "tick": judgement.tick,
        "planned": judgement.planned,
        "until": until,
        "next": step,
        "metrics": [_figures(metric) for metric in judgement.metrics[:MOST_TOLD]],
    }
    return Compared(
        Finding("judge", outcome, _reason(judgement, step)), then, {"judge": told, **_kept(context, case, told)}
    )


def _until(context: Context, judgement: Judgement, patience: Patience, changed: float) -> int:
    """The tick up to which it waits. Who goes on after it gave up, or begins late, has another soak of it."""
    earlier = _earlier(context)
    if earlier.get("settled") == changed and isinstance(earlier.get("until"), int):
        return int(earlier["until"])
    last = judgement.planned + (patience.most if patience.then == "extend" else 0)
    return last if judgement.tick < last or patience.then == "fail" else judgement.tick + judgement.planned


def _earlier(context: Context) -> Mapping[str, Any]:
    found = context.earlier.evidence.get("judge") if context.earlier else None
    return found if isinstance(found, Mapping) else {}


def _reason(judgement: Judgement, step: Next) -> str:
    where = f"at tick {judgement.tick} of {judgement.planned}"
    if step == "wait" and judgement.outcome == "pass":
        return f"{where} {judgement.reason}; it is watched to the end of the soak"
    if step == "stop" and judgement.outcome == "inconclusive":
        return f"{where} nobody knows whether it is harmless: {judgement.reason}"
    if step == "pause":
        return f"{where} nobody knows whether it is harmless, and it was watched long enough: {judgement.reason}"
    return f"{where} {judgement.reason}"


def _figures(metric: MetricJudgement) -> dict[str, Any]:
    """A metric in few numbers; ``None`` where one is not known."""
    known = {name: getattr(metric, name) for name in ("effect", "low", "high", "margin", "evidence", "power")}
    numbers = {name: float(f"{value:.4g}") if math.isfinite(value) else None for name, value in known.items()}
    faults = [fault.kind for fault in metric.faults]
    return {"name": metric.name, "outcome": metric.outcome, "reason": brief(metric.reason), **numbers, "faults": faults}


def _kept(context: Context, case: Case, told: Mapping[str, Any]) -> dict[str, Any]:
    """The case, where it decides something and was not kept in the round before.

    Of one that is too large those metrics are kept that are worst. They are judged among as many as there were: the
    chance of a false abort of all of them is shared out the same.
    """
    earlier = _earlier(context)
    if told["next"] == "wait" or (earlier.get("next"), earlier.get("settled")) == (told["next"], told["settled"]):
        return {}
    document = case.as_dict()
    size, number = len(json.dumps(document)), len(case.recording.metrics)
    if size <= LARGEST:
        return document
    most = max(1, int(number * LARGEST / size))
    part = _worst(case, most)
    return {**part.as_dict(), "left_out": number - most}


def _worst(case: Case, most: int) -> Case:
    rank = ["fail", "inconclusive", "pass"]
    found = case.judgement.metrics
    order = sorted(range(len(found)), key=lambda each: (rank.index(found[each].outcome), -found[each].evidence))
    recording = case.recording
    part = Recording(recording.comparison, recording.now, tuple(recording.metrics[each] for each in order[:most]))
    risk = case.judgement.risk
    return Case(part, judge_recording(part, replace(risk, false_abort=risk.false_abort * most / len(found))))
