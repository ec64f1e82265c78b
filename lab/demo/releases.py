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
from lab.requests import Requests

SERVED = "/srv/pillar"
"""Where the master has the policy."""
COMPLETED, ROLLED_BACK = 0, 4
"""Exit statuses of ``tidegate rollout watch``."""


def serve(stage: Stage, number: int, edits: Edits) -> None:
    """Edit a copy of the policy of the release before, and give it to the master; all in view.

    Of the first it is the example's, with the lab's waves and gates.
    """
    base = REPO / ".cache" / "demo" / f"release-{number - 1}" if number > 1 else PILLAR
    copy, changes = edited(f"release-{number}", edits, base)
    shutil.copy(REPO / "lab" / "rollout.sls", REPO / copy / "traffic")
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


def answer(stage: Stage, *words: str) -> Any:
    """What ``tidegate … --json`` prints on the master, out of view."""
    return json.loads(stage.quietly("master", "tidegate", *words, "--json"))


@contextmanager
def counted(stage: Stage) -> Iterator[list[Requests]]:
    """The client asks the anycast addresses for the length of the block; the list has the count afterwards."""
    counts: list[Requests] = []
    stage.shown("requests", "start")
    stage.fleet.start_requests()
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
