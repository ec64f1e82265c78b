"""A judgement with the data it rests on, to be kept and to be judged again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.judge.comparison import Comparison
from tidegate.judge.judge import judge_recording
from tidegate.judge.judgement import Judgement
from tidegate.judge.metric import Metric
from tidegate.judge.recording import Recording, record
from tidegate.judge.risk import Risk


@dataclass(frozen=True)
class Case:
    """What was known, and what was made of it."""

    recording: Recording
    judgement: Judgement

    @classmethod
    def judged(cls, metrics: Sequence[Metric], comparison: Comparison, now: float, risk: Risk | None = None) -> Case:
        """Judge and keep; the arguments are those of `judge.judge`."""
        recording = record(metrics, comparison, now)
        return cls(recording, judge_recording(recording, risk))

    def replayed(self) -> Judgement:
        """The judgement of the same data, made now."""
        return judge_recording(self.recording, self.judgement.risk)

    def as_dict(self) -> dict[str, Any]:
        """The case as plain data. About 4 kB for each metric and ten hosts, for 60 ticks."""
        return {"judgement": self.judgement.as_dict(), "recording": self.recording.as_dict()}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Case:
        """A case from plain data, or from a gate's verdict that has it in its evidence.

        Raises:
            ValueError: It holds no case.
        """
        holder = document.get("evidence", document)
        try:
            return cls(Recording.of(holder["recording"]), Judgement.of(holder["judgement"]))
        except (KeyError, TypeError) as error:
            raise ValueError("it holds no judgement with its recording") from error
