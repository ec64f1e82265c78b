"""What a rollout's status comes to, for whoever waits for it: one word, and the exit status of a command."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from tidegate.rollout.machine import APPROVAL, due
from tidegate.rollout.safety import Elsewhere
from tidegate.rollout.state import MOVING, State
from tidegate.rollout.verdict import worst


class Standing(str, Enum):
    """Good, on its way, back, or up to people."""

    GOOD = "good"
    """The release is where it was to go."""
    PEOPLE = "people"
    """It stands still until somebody says what to do."""
    BACK = "back"
    """It has ended, and not with the release on every host."""
    GOING = "going"
    """Nobody has to do anything."""


EXIT = {Standing.GOOD: 0, Standing.PEOPLE: 3, Standing.BACK: 4, Standing.GOING: 5}
"""Exit status of commands that report on a rollout. 1 is an error and 2 a command that was called wrongly."""


def standing(state: State) -> Standing:
    """How it stands. What is under way is brought to its end first: until then it is going, whatever stopped it."""
    if state.status == "completed":
        return Standing.GOOD
    if state.finished:
        return Standing.BACK
    if any(host.phase in MOVING for host in state.hosts.values()):
        return Standing.GOING
    match state.status:
        case "blocked" | "paused":
            return Standing.PEOPLE
        case "stopped":
            # Nothing is due once what the policy says about a stop has been done.
            return Standing.GOING if due(state, 0.0, Elsewhere()) else Standing.PEOPLE
    return Standing.PEOPLE if awaits_approval(state) else Standing.GOING


def awaits_approval(state: State) -> bool:
    """Whether nothing but a person's approval keeps the current wave from being promoted."""
    wave = state.current
    if wave is None or state.status != "running":
        return False
    at = state.waves[wave.name]
    passed = at.status == "judging" and at.round > 0 and worst(at.verdicts) == "pass" and at.soaked >= wave.soak
    return passed and needs_approval(wave.gates) and at.approved is None


def needs_approval(gates: Sequence[str]) -> bool:
    """Whether one of these gates is a person."""
    return APPROVAL in gates
