"""What a job asks of hosts: the Salt function and its arguments. Pure."""

from __future__ import annotations

from typing import Any

from tidegate.rollout.event import Act

WAIT, SETTLE = 10, 10
"""Seconds until health must begin to hold before a change is made permanent, and for which it must then hold."""


def request(
    act: Act, rollout: int, fence: int, *, again: bool = False, timeout: int = 240
) -> tuple[str, dict[str, Any]]:
    """The function of a job and its keyword arguments.

    Args:
        act: What the job does.
        rollout: Whose job it is; hosts remember that with the change.
        fence: Epoch of the lease under which it is done: hosts refuse it if they have seen a higher one.
        again: Hosts may try what they undid before.
        timeout: Seconds after which hosts undo what nobody confirmed.
    """
    owner = {"owner": str(rollout), "fence": fence}
    if act == "confirm":
        return "traffic.confirm", {**owner, "wait": WAIT, "settle": SETTLE}
    # On the way back a host proves and confirms by itself: nobody has to judge what ran before. And it may have been
    # undone there once, for a reason that is gone.
    how = {"confirm": "engine", "again": again} if act == "apply" else {"confirm": "host", "again": True}
    pillar = {"tidegate": {**owner, **how, "timeout": timeout}}
    return "state.apply", {"mods": "traffic", "sync_mods": "all", "pillar": pillar}
