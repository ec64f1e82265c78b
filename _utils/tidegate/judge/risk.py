"""The error rates that the judge states and holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Risk:
    """Which errors are allowed how often.

    Attributes:
        false_abort: Chance that a gate stops a release that changes nothing: over all its metrics and ticks together.
        false_pass: Chance, for each metric and over all ticks, that it passes although it is worse by its margin or
            more. Metrics that all have to pass need no correction for their number: each can only make it harder
            (Schultzberg, Ankargren & Frånberg 2024, "Risk-aware product decisions in A/B tests with multiple
            metrics"); what their number costs is power, which each judgement states.
        missing: Share of canaries, or of baselines, that may lack data in a metric that passes.
    """

    false_abort: float = 0.02
    false_pass: float = 0.05
    missing: float = 0.05

    def as_dict(self) -> dict[str, float]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Risk:
        """From plain data."""
        return cls(**document)
