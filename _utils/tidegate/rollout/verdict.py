"""What a gate says of a wave, with the evidence it said it on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["pass", "fail", "inconclusive"]
Then = Literal["", "wait", "pause"]
"""What an inconclusive verdict asks for. ``wait``: it could look, saw nothing bad, and needs more time: that counts
towards the soak, but only a pass lets the wave go on. ``pause``: more time brings nothing, so people have to look."""


@dataclass(frozen=True)
class Verdict:
    """One gate's verdict in one round.

    Attributes:
        gate: Its name in the policy.
        outcome: A gate that could not find out says inconclusive, never pass.
        reason: One sentence that names what was seen.
        evidence: What the sentence rests on, as plain data; it stays in the journal.
        then: See `Then`; only of an inconclusive one.
    """

    gate: str
    outcome: Outcome
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    then: Then = ""

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain data."""
        told = {"gate": self.gate, "outcome": self.outcome, "reason": self.reason, "evidence": dict(self.evidence)}
        return {**told, "then": self.then} if self.then else told

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Verdict:
        """A verdict from plain data."""
        return cls(
            document["gate"],
            document["outcome"],
            document["reason"],
            document.get("evidence") or {},
            document.get("then") or "",
        )


def worst(verdicts: Iterable[Verdict]) -> Outcome:
    """The outcome of them all: fail before inconclusive before pass. No verdict at all is inconclusive."""
    outcomes = {verdict.outcome for verdict in verdicts}
    if "fail" in outcomes:
        return "fail"
    return "pass" if outcomes == {"pass"} else "inconclusive"


def lost(verdicts: Iterable[Verdict]) -> bool:
    """Whether a round brought nothing: some gate could not find out, and does not just need time."""
    return any(verdict.outcome == "inconclusive" and not verdict.then for verdict in verdicts)


def counts(verdicts: Iterable[Verdict]) -> bool:
    """Whether a round's time counts towards the soak: all passed, or just need more of it."""
    told = list(verdicts)
    return bool(told) and all(verdict.outcome == "pass" or verdict.then == "wait" for verdict in told)
