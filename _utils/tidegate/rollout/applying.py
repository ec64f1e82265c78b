"""Have hosts apply what they are served, now and outside a rollout: for a drain, or to undo drift. Over any `Fleet`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tidegate.rollout import outcomes
from tidegate.rollout.fleet import Fleet

MODS = "traffic"
"""The part of the state tree that is Tidegate's: nothing else that a highstate holds is touched."""

BETWEEN = 1.0
"""Seconds between two looks for returns, unless one wakes us."""


@dataclass(frozen=True)
class Applied:
    """What became of one host: ``ok``, ``changed``, ``failed``, ``reverted`` or ``unknown``, and why."""

    outcome: str
    reason: str

    @property
    def good(self) -> bool:
        """Whether it runs what it was served. Unknown is not good."""
        return self.outcome in ("ok", "changed")

    def as_dict(self) -> dict[str, str]:
        """Plain data."""
        return {"outcome": self.outcome, "reason": self.reason}


def apply(
    fleet: Fleet, hosts: Sequence[str], seconds: float, clock: Callable[[], float] = time.monotonic
) -> dict[str, Applied]:
    """Run Tidegate's states on exactly these hosts, which confirm by themselves, and wait for them.

    Args:
        fleet: How they are reached.
        hosts: Their names.
        seconds: How long to wait; whoever has not returned then is unknown.
        clock: Seconds that never jump.

    Raises:
        Failed: The job could not be published.
    """
    jid = fleet.jid()
    until = clock() + seconds
    fleet.publish(jid, "state.apply", hosts, {"mods": MODS, "sync_mods": "all"})
    found: dict[str, Applied] = {}
    while True:
        for host, told in fleet.returns(jid, [host for host in hosts if host not in found]).items():
            found[host] = Applied(*outcomes.read("back", told["return"], ""))
        if len(found) == len(hosts) or clock() >= until:
            break
        fleet.wait(BETWEEN)
    return {host: found.get(host) or Applied("unknown", f"no return within {seconds:.0f} s") for host in hosts}
