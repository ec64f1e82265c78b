"""What people can do about a rollout: the command, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.release.release import SHORT
from tidegate.rollout.errors import some
from tidegate.rollout.view import View


@dataclass(frozen=True)
class Choice:
    """Something that people can do: a command, and what comes of it."""

    command: str
    effect: str


def choices(view: View) -> Iterator[Choice]:
    """What somebody can do, the most likely first."""
    number = view.number
    verb = f"tidegate rollout {{}} {number}".format
    wave = view.current
    match view.status:
        case "checking":
            yield Choice(verb("abort"), "end it; no host has been touched")
        case "blocked":
            yield from _unblock(view)
            yield Choice(verb("retry"), "look at every host again")
            yield Choice(f"{verb('skip-host')} HOST --because TEXT", "go on without a host")
            yield Choice(verb("abort"), "end it; no host has been touched")
        case "running":
            if view.approval:
                yield Choice(f"{verb('approve')} --wave {view.approval}", "let it be promoted")
            yield Choice(verb("pause"), "begin with no more hosts; what is under way ends")
            yield from _ways_back(view)
        case "paused":
            asked = wave is not None and any(gate.then == "pause" for gate in wave.gates)
            yield Choice(verb("resume"), "watch for another soak" if asked else "go on")
            yield from _ways_back(view)
        case "stopped":
            yield from _after_stop(view)
            if all(margin.left is None or margin.left >= 0 for margin in view.budgets):
                yield Choice(verb("resume"), f"go on: the gates of {wave.name} judge anew" if wave else "go on")
            yield from _ways_back(view)
        case "reversing" | "aborting":
            yield from _after_stop(view)
        case "completed" | "aborted":
            before = next((release for release in view.before if release), None)
            if before:
                yield Choice(
                    f"{verb('rollback')} --to {before[:SHORT]}", "a new rollout, of what most hosts had before"
                )
    if not view.ended:
        yield Choice(verb("watch"), "see what happens")


def _unblock(view: View) -> Iterator[Choice]:
    if any("drift" in reason for reason in view.problems.values()):
        yield Choice("tidegate drift list", "what was changed by hand, and where")
        yield Choice("tidegate drift restore HOST", "undo what was changed by hand")
        yield Choice("tidegate drift adopt HOST --because TEXT", "leave the host alone as it is")


def _after_stop(view: View) -> Iterator[Choice]:
    left = [each.host for each in view.hosts if each.phase != "skipped"]
    if left:
        yield Choice(f"tidegate rollout retry {view.number}", f"try {some(left)} again")
        yield Choice(
            f"tidegate rollout skip-host {view.number} {left[0]} --because TEXT",
            f"leave it out: {left[0]} keeps what it has; then resume",
        )


def _ways_back(view: View) -> Iterator[Choice]:
    touched = [wave.name for wave in view.waves if wave.status != "waiting"]
    for name in touched[-1:]:
        yield Choice(f"tidegate rollout rollback {view.number} --wave {name}", f"bring {name} back to what it had")
    if touched:
        yield Choice(f"tidegate rollout rollback {view.number} --all", "bring every host back to what it had")
    yield Choice(f"tidegate rollout abort {view.number}", "end it here: what is confirmed stays, what is not is undone")
