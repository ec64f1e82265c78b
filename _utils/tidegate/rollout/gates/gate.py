"""What a gate is given, and how it tells what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.rollout.fleet import Fleet
from tidegate.rollout.gates.timing import Timing
from tidegate.rollout.verdict import Outcome, Then, Verdict

MOST_NAMED = 20
"""Findings that evidence names one by one; the journal keeps it for ever."""
MOST_TEXT = 300
"""Characters kept of a text that a host or a server wrote."""

_RANK: Mapping[Outcome, int] = {"fail": 0, "inconclusive": 1, "pass": 2}


@dataclass(frozen=True)
class Context:
    """One round of one gate.

    Attributes:
        name: The gate's name in the policy.
        settings: Its settings as the brief has them; durations in seconds, ``kind`` among them.
        hosts: The hosts of the wave that have the release. Hosts that were left behind are the budget's business.
        fleet: To ask hosts.
        expected: Host → digest of the plan that it is to run, of every host in ``hosts`` and ``promoted``.
        promoted: The hosts of promoted waves that have the release.
        baseline: Host of the wave → hosts to compare it with, as `waves.Wave` has it.
        known: Host → its ``traffic.report`` of this very round; who is in here is not asked again.
        elapsed: Seconds since every host of the wave had the release.
        options: The master's configuration as Salt has it.
        timing: When the wave changed; ``None`` where nobody knows.
        pops: Host → PoP, of hosts of the rollout.
        former: Host of the wave that ``baseline`` has nobody for → hosts like it of promoted waves, each with when its
            wave settled, those that did so longest ago first.
        earlier: This gate's verdict of the round before, if it is still of the same wave in the same state.
    """

    name: str
    settings: Mapping[str, Any]
    hosts: tuple[str, ...]
    fleet: Fleet
    expected: Mapping[str, str] = field(default_factory=dict)
    promoted: tuple[str, ...] = ()
    baseline: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)
    elapsed: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)
    timing: Timing | None = None
    pops: Mapping[str, str] = field(default_factory=dict)
    former: Mapping[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    earlier: Verdict | None = None

    @property
    def ours(self) -> Mapping[str, Any]:
        """What the master's configuration says under ``tidegate``."""
        found = self.options.get("tidegate")
        return found if isinstance(found, Mapping) else {}

    def verdict(self, outcome: Outcome, reason: str, evidence: Mapping[str, Any], then: Then = "") -> Verdict:
        """This gate's verdict."""
        return Verdict(self.name, outcome, reason, evidence, then)


@dataclass(frozen=True)
class Finding:
    """What was found of one host, one query, or whatever else a gate looks at one by one."""

    subject: str
    outcome: Outcome
    reason: str

    def as_dict(self) -> dict[str, str]:
        """The finding as plain data."""
        return {"subject": self.subject, "outcome": self.outcome, "reason": self.reason}


def overall(findings: Sequence[Finding]) -> Outcome:
    """The outcome of them all: fail before inconclusive before pass. No finding at all is inconclusive."""
    return min((finding.outcome for finding in findings), key=_RANK.__getitem__, default="inconclusive")


def told(findings: Sequence[Finding], many: str) -> str:
    """The worst of several findings in one sentence, and how many more are like it; ``many`` says of what."""
    outcome = overall(findings)
    alike = [finding for finding in findings if finding.outcome == outcome]
    if not alike:
        return f"there are no {many} to look at"
    first = f"{alike[0].subject}: {alike[0].reason}"
    return first if len(alike) == 1 else f"{first} (and {len(alike) - 1} more of {len(findings)} {many})"


def evidence(findings: Sequence[Finding]) -> dict[str, Any]:
    """Findings as evidence: how many of each outcome, and the worst that did not pass by name.

    Returns:
        ``{"pass": n, "fail": n, "inconclusive": n, "worst": [finding], "left_out": n}``.
    """
    count = Counter(finding.outcome for finding in findings)
    bad = sorted((finding for finding in findings if finding.outcome != "pass"), key=lambda one: _RANK[one.outcome])
    return {
        **{outcome: count[outcome] for outcome in _RANK},
        "worst": [finding.as_dict() for finding in bad[:MOST_NAMED]],
        "left_out": max(0, len(bad) - MOST_NAMED),
    }


def brief(what: object, most: int = MOST_TEXT) -> str:
    """A text from elsewhere, on one line and not too long."""
    text = " ".join(str(what).split())
    return text if len(text) <= most else f"{text[:most]}…"
