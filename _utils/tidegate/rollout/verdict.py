"""What a gate says of a wave, with the evidence it said it on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True)
class Verdict:
    """One gate's verdict in one round.

    Attributes:
        gate: Its name in the policy.
        outcome: A gate that could not find out says inconclusive, never pass.
        reason: One sentence that names what was seen.
        evidence: What the sentence rests on, as plain data; it stays in the journal.
    """

    gate: str
    outcome: Outcome
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain data."""
        return {"gate": self.gate, "outcome": self.outcome, "reason": self.reason, "evidence": dict(self.evidence)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Verdict:
        """A verdict from plain data."""
        return cls(document["gate"], document["outcome"], document["reason"], document.get("evidence") or {})


def worst(verdicts: Iterable[Verdict]) -> Outcome:
    """The outcome of them all: fail before inconclusive before pass. No verdict at all is inconclusive."""
    outcomes = {verdict.outcome for verdict in verdicts}
    if "fail" in outcomes:
        return "fail"
    return "pass" if outcomes == {"pass"} else "inconclusive"
