"""What gates that compare hosts have kept in a rollout's journal: judgements of the past, to be made again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.host.errors import Refused
from tidegate.rollout.event import Event


@dataclass(frozen=True)
class KeptCase:
    """One judgement with its data: of which wave, gate and round, and the evidence that has both."""

    wave: str
    gate: str
    round: int
    evidence: Mapping[str, Any]


def kept(events: Iterable[Event]) -> Iterator[KeptCase]:
    """The cases in a journal, in order."""
    for event in events:
        for verdict in event.body["verdicts"] if event.kind == "judged" else ():
            if "recording" in (verdict.get("evidence") or {}):
                yield KeptCase(event.body["wave"], verdict["gate"], event.body["round"], verdict["evidence"])


def last(number: int, events: Iterable[Event], wave: str | None = None, gate: str | None = None) -> KeptCase:
    """The last case of a rollout, or of a wave or gate of it.

    Raises:
        Refused: There is none.
    """
    found = list(kept(events))
    wanted = [one for one in found if wave in (None, one.wave) and gate in (None, one.gate)]
    if wanted:
        return wanted[-1]
    if found:
        there = ", ".join(sorted({f"{one.wave} by {one.gate}" for one in found}))
        raise Refused(f"The journal of rollout {number} has no such judgement: it has those of {there}.")
    raise Refused(f"The journal of rollout {number} has no judgement: gates with 'compare' keep one when they decide.")
