"""What can go wrong with a rollout as such, by kind."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.host.errors import Refused, TidegateError

FEW = 3
"""Hosts that a sentence names."""


class NoSuchRollout(TidegateError):
    """No rollout has this number."""


class Finished(Refused):
    """The rollout has ended: nothing is added to its journal any more."""


class Fenced(Refused):
    """Another engine has taken the lease since: nothing that this one still has in mind may be done."""


class Overlap(Refused):
    """A rollout that has not ended has some of the hosts.

    Attributes:
        rollout: Its number.
        hosts: Those that both want.
    """

    def __init__(self, rollout: int, hosts: Sequence[str]) -> None:
        super().__init__(
            f"Rollout {rollout} has {some(hosts)} and has not ended: wait for it, abort it, or say that this one "
            "supersedes it."
        )
        self.rollout = rollout
        self.hosts = tuple(hosts)


def some(hosts: Sequence[str]) -> str:
    """Some hosts' names, and how many more there are."""
    rest = len(hosts) - FEW
    return ", ".join(hosts[:FEW]) + (f" and {rest} more" if rest > 0 else "")
