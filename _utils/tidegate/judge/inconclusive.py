"""What is done when the soak is over and nobody knows yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidegate.judge.judgement import Judgement

Then = Literal["extend", "pause", "fail"]
Next = Literal["promote", "stop", "wait", "pause"]

NEVER = frozenset(("definition", "baseline"))
"""Faults that waiting does not mend."""


@dataclass(frozen=True)
class Patience:
    """What to do about an inconclusive judgement at the end of the soak.

    Attributes:
        then: ``extend``: go on watching, and pause when that brings nothing either. ``pause``: let people look at once.
            ``fail``: what is not shown to be harmless does not go on.
        most: Ticks by which it may be extended; best as many as the soak has, or twice as many (`spending`).
    """

    then: Then = "extend"
    most: int = 30


def next_step(judgement: Judgement, patience: Patience, until: int | None = None) -> Next:
    """What follows from a judgement: the error rates hold however often it is asked and however long it waits.

    Args:
        judgement: Of all that was seen so far.
        patience: What the policy says.
        until: The tick up to which it goes on at least, where somebody has said so after it gave up.
    """
    if judgement.outcome == "fail":
        return "stop"
    if judgement.outcome == "pass":
        return "promote" if judgement.tick >= judgement.planned else "wait"
    hopeless = any(fault.kind in NEVER for metric in judgement.metrics for fault in metric.faults)
    extension = patience.most if patience.then == "extend" and not hopeless else 0
    if judgement.tick < max(judgement.planned + extension, until or 0) and not hopeless:
        return "wait"
    return "stop" if patience.then == "fail" else "pause"
