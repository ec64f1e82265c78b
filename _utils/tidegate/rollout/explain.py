"""Why a rollout is where it is, what it waits for, and what people can do about it: in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tidegate.release.release import SHORT
from tidegate.rollout.outlook import next_step
from tidegate.rollout.remedies import Choice, choices
from tidegate.rollout.view import View, WaveView
from tidegate.rollout.words import hosts, seconds

MOST_HOSTS = 10
"""Hosts whose reasons are given; more are counted."""


_SAID = {"fail": "failed", "inconclusive": "could not decide", "wait": "goes on watching", "pause": "needs people"}


@dataclass(frozen=True)
class Explanation:
    """A rollout explained.

    Attributes:
        where: Where it is.
        because: What made it so, the most important first.
        next: What happens next if nobody does anything.
        choices: What somebody can do, the most likely first.
    """

    where: str
    because: tuple[str, ...]
    next: str
    choices: tuple[Choice, ...]

    def as_dict(self) -> dict[str, Any]:
        """The explanation as plain data."""
        return {
            "where": self.where,
            "because": list(self.because),
            "next": self.next,
            "choices": [{"command": choice.command, "effect": choice.effect} for choice in self.choices],
        }


def explain(view: View) -> Explanation:
    """Explain what there is to see of a rollout."""
    return Explanation(_where(view), tuple(_because(view)), next_step(view), tuple(choices(view)))


def _where(view: View) -> str:
    wave = view.current
    release = view.release[:SHORT]
    place = f" in wave {wave.name} ({_position(view, wave)})" if wave and not view.ended else ""
    words = {
        "checking": f"looks at {hosts(view.total)} before anything begins",
        "blocked": "has not begun: hosts are not as they should be",
        "running": f"is under way{place}",
        "paused": f"is paused{place}",
        "stopped": f"has stopped{place}",
        "reversing": "is going back",
        "aborting": "is being aborted",
        "completed": "is complete",
        "rolled-back": "was rolled back",
        "aborted": "was aborted",
        "superseded": "was superseded",
    }
    return f"Rollout {view.number} of release {release} {words[view.status]}. {_have(view)}"


def _have(view: View) -> str:
    have = view.counts.get("ok", 0) + view.counts.get("changed", 0)
    unknown = view.counts.get("unknown", 0)
    text = f"{have} of {hosts(view.total)} {'has' if have == 1 else 'have'} it"
    return f"{text}; of {unknown} it is not known what they run." if unknown else f"{text}."


def _because(view: View) -> Iterator[str]:
    if view.engine is None and not view.ended:
        yield "No engine drives rollouts now: nothing has been decided or done since the last event."
    if view.reason:
        yield _sentence(view.reason)
    if view.waiting:
        yield f"It waits for {view.waiting}."
    problems = list(view.problems.items()) if view.status == "blocked" else []
    for name, reason in problems[:MOST_HOSTS]:
        yield f"{name}: {reason}."
    if len(problems) > MOST_HOSTS:
        yield f"{len(problems) - MOST_HOSTS} more hosts are not as they should be: status --json names them."
    for gate_of, gate in ((wave, gate) for wave in view.waves for gate in wave.gates):
        if gate.outcome not in (None, "pass"):
            yield f"Gate {gate.name} of {gate_of.name} {_said(gate.then or str(gate.outcome))}: {gate.reason}."
            if "recording" in gate.evidence:
                yield f"What it judged by: tidegate judge --replay {view.number} --wave {gate_of.name}."
    for host in [each for each in view.hosts if each.phase != "skipped"][:MOST_HOSTS]:
        tries = f" (tried {host.tries} times)" if host.tries > 1 else ""
        yield f"{host.host} {_became(host.phase)}{tries}: {host.reason or 'no reason was given'}."
    for margin in view.floors:
        if margin.left is not None and margin.left <= 0:
            yield f"{margin.name} is up in {margin.used} PoPs and must be in {margin.limit}: none can be spared."
    wave = view.current
    if view.status == "running" and wave and wave.status == "judging" and not view.waiting and wave.soak_left:
        yield f"The gates of {wave.name} have passed for {seconds(wave.soaked)} of {seconds(wave.soak)}."


def _position(view: View, wave: WaveView) -> str:
    return f"{[each.name for each in view.waves].index(wave.name) + 1} of {len(view.waves)}"


def _said(outcome: str) -> str:
    return _SAID.get(outcome, outcome)


def _became(phase: str) -> str:
    return {
        "failed": "failed",
        "unknown": "did not answer, and may run anything",
        "reverted": "undid the release",
        "stuck": "could not be brought back",
    }.get(phase, phase)


def _sentence(reason: str) -> str:
    text = f"{reason[0].upper()}{reason[1:]}"
    return text if text.endswith(".") else f"{text}."
