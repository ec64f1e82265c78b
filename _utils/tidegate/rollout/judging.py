"""One round of a wave's gates: all of them at once, each with a verdict whatever happens to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.rollout.brief import Brief, PlannedWave
from tidegate.rollout.gates.gate import Context
from tidegate.rollout.machine import APPROVAL
from tidegate.rollout.patience import patience
from tidegate.rollout.state import WaveState
from tidegate.rollout.verdict import Verdict

HEALTH = "health"
"""The gate that judges every wave, named or not."""

MOST_AT_ONCE = 8

ONCE = frozenset(("verify",))
"""Kinds of gates that are not asked again once they have passed: what they look at changes only if somebody changes the
host, and health sees that as drift."""

Judge = Callable[[Context], Verdict]


@dataclass(frozen=True)
class Round:
    """What the gates of a wave are given in one round.

    Attributes:
        context: The same for all gates, but for their names and settings.
        gates: Name → settings.
        accepted: Host and the plan it runs → the plan that it should run, if drains have come or gone: then either
            plan is right. ``None`` if there is nothing to choose from.
        passed: Verdicts of an earlier round that still hold; see `passed`.
        earlier: All verdicts of the round before.
    """

    context: Context
    gates: Mapping[str, Mapping[str, Any]]
    accepted: Callable[[str, object], str] | None = None
    passed: Mapping[str, Verdict] = field(default_factory=dict)
    earlier: Sequence[Verdict] = ()


def gates_of(brief: Brief, wave: PlannedWave) -> dict[str, Mapping[str, Any]]:
    """The gates that judge a wave, name → settings: health first, and without the one that people are."""
    named = {name: brief.gates.get(name, {"kind": name}) for name in wave.gates}
    judged = {name: settings for name, settings in named.items() if settings.get("kind") != APPROVAL}
    if all(settings.get("kind") != HEALTH for settings in judged.values()):
        judged = {HEALTH: {"kind": HEALTH}, **judged}
    return judged


def judged(round_: Round, judge: Judge) -> list[dict[str, Any]]:
    """The verdicts, as plain data, in the order of the gates.

    Without a host that has the release there is nothing to judge; budgets have judged those that have not.
    """
    if not round_.context.hosts:
        return [Verdict(HEALTH, "pass", "no host of the wave has the release: there is nothing to judge").as_dict()]
    context = _reconciled(round_.context, round_.accepted) if round_.accepted else round_.context
    asked = {name: settings for name, settings in round_.gates.items() if name not in round_.passed}
    earlier = {verdict.gate: verdict for verdict in round_.earlier}
    contexts = [
        replace(context, name=name, settings=settings, earlier=earlier.get(name)) for name, settings in asked.items()
    ]
    verdicts = _at_once(contexts, judge)
    told = {**round_.passed, **dict(zip(asked, verdicts, strict=True))}
    return [told[name].as_dict() for name in round_.gates]


def passed(brief: Brief, wave: WaveState) -> dict[str, Verdict]:
    """The verdicts of a wave's last round that need not be asked for again."""
    kinds = {name: settings.get("kind", name) for name, settings in brief.gates.items()}
    return {
        verdict.gate: verdict
        for verdict in wave.verdicts
        if verdict.outcome == "pass" and kinds.get(verdict.gate, verdict.gate) in ONCE
    }


def plan_of(report: object) -> object:
    """The digest that a report says its host runs, whatever it may be."""
    return report.get("plan") if isinstance(report, Mapping) else None


def _reconciled(context: Context, accepted: Callable[[str, object], str]) -> Context:
    """With every host's report, and as expected what it runs, if a drain that came or went explains that."""
    missing = [host for host in context.hosts if host not in context.known]
    answers = context.fleet.ask("traffic.report", missing, {}, patience(len(missing))) if missing else {}
    known = {**context.known, **{host: answers[host] for host in missing if host in answers}}
    expected = {host: accepted(host, plan_of(known.get(host))) for host in context.hosts}
    return replace(context, known=known, expected=expected)


def _at_once(contexts: Sequence[Context], judge: Judge) -> list[Verdict]:
    if len(contexts) == 1:
        return [_safe(judge, contexts[0])]
    with ThreadPoolExecutor(min(len(contexts), MOST_AT_ONCE), "tidegate-gate") as threads:
        return list(threads.map(lambda context: _safe(judge, context), contexts))


def _safe(judge: Judge, context: Context) -> Verdict:
    try:
        return judge(context)
    except Exception as error:
        return Verdict(context.name, "inconclusive", f"the gate broke: {type(error).__name__}: {error}"[:300])
