"""Releases and rollouts in view of the person: made, planned, started, followed, and counted by a client."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.demo.edits import Edits, edited
from lab.demo.stage import PILLAR, Stage
from lab.fleet import REPO
from lab.requests import RATE, Requests

SERVED = "/srv/pillar"
"""Where the master has the policy."""
COMPLETED, ROLLED_BACK = 0, 4
"""Exit statuses of ``tidegate rollout watch``."""


def serve(stage: Stage, number: int, edits: Edits, *, sibling: str = "", gates: str = "rollout.sls") -> None:
    """Edit a copy of the policy of the release before, and give it to the master; all in view.

    Args:
        stage: where.
        number: of the release; the first is the example's policy, edited.
        edits: what is changed.
        sibling: what tells it from another release of its number; no release is made from its policy.
        gates: the file of ``lab/`` with the waves and gates.
    """
    base = REPO / ".cache" / "demo" / f"release-{number - 1}" if number > 1 else PILLAR
    copy, changes = edited(f"release-{number}{sibling}", edits, base)
    shutil.copy(REPO / "lab" / gates, REPO / copy / "traffic" / "rollout.sls")
    stage.show.output("\n".join(changes))
    stage.shown("policy", copy)
    stage.fleet.policy(REPO / copy)


def release(stage: Stage, note: str) -> str:
    """Make a release of what the master serves; its id."""
    stage.run("master", "tidegate", "release", "create", "--pillar", SERVED, "--note", note)
    return str(answer(stage, "release", "show")["id"])


def roll_out(stage: Stage, release_id: str, why: str, ends: int) -> int:
    """Start a rollout and follow it to its end.

    Args:
        stage: where.
        release_id: what.
        why: for others.
        ends: the exit status that ``watch`` must end with.

    Returns:
        The rollout's number.
    """
    command = ("tidegate", "rollout", "start", release_id[:12], "--yes", "--because", why)
    stage.run("master", *command, trim=_without_plan)
    number = int(answer(stage, "rollout", "history")[0]["number"])
    code = stage.follow("master", "tidegate", "rollout", "watch", str(number))
    look = f"{stage.lab} exec master tidegate rollout explain {number}"
    stage.claim(code == ends, f"rollout {number} ends with exit status {ends}", f"exit status {code}", look)
    return number


def tried(stage: Stage, number: int) -> list[str]:
    """The hosts that a rollout sent the release."""
    journal = answer(stage, "rollout", "history", str(number))
    jobs = [event for event in journal if event["kind"] == "job" and event["act"] == "apply"]
    return sorted({host for job in jobs for host in job["hosts"]})


def answer(stage: Stage, *words: str) -> Any:
    """What ``tidegate … --json`` prints on the master, out of view."""
    return json.loads(stage.quietly("master", "tidegate", *words, "--json"))


@contextmanager
def counted(stage: Stage, rate: float = RATE, path: str = "/") -> Iterator[list[Requests]]:
    """The client asks the anycast addresses for the length of the block; the list has the count afterwards."""
    counts: list[Requests] = []
    other = ["--rate", f"{rate:g}", "--path", path] if (rate, path) != (RATE, "/") else []
    stage.shown("requests", "start", *other)
    stage.fleet.start_requests(rate, path)
    try:
        yield counts
    finally:
        counts.append(stage.fleet.stop_requests())
    stage.shown("requests", "stop")
    (count,) = counts
    rows = [(host, str(number)) for host, number in count.answered.items()]
    stage.show.table(("answered by", "requests"), [*rows, ("nobody: lost", str(count.lost))], right=[1])


def claim_none_lost(stage: Stage, count: Requests) -> None:
    """Nobody has noticed."""
    asked = count.sent and len(count.answered)
    stage.claim(asked and not count.lost, "every request is answered", list(count.losses) or count)


def _without_plan(text: str) -> str:
    """What a start says after the plan, which it shows once more."""
    return "\n".join(line for line in text.splitlines() if line.startswith(("Rollout ", "What becomes ")))
