"""Two releases side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tidegate.host.plan import Plan
from tidegate.policy.collector import paused
from tidegate.release.delta import Delta, delta
from tidegate.release.errors import NoSuchHost
from tidegate.release.release import Release
from tidegate.release.store import Store
from tidegate.release.textdiff import Difference, Spelling, differences, pretty


@dataclass(frozen=True)
class Comparison:
    """Two releases and their plans, or one host's plan of each."""

    before: Release
    after: Release
    plans_before: Mapping[str, Plan]
    plans_after: Mapping[str, Plan]

    @cached_property
    def delta(self) -> Delta:
        """What happens in the network."""
        with paused():
            return delta(self.plans_before, self.plans_after)

    def differences(self, spelling: Spelling | None = None) -> list[Difference]:
        """What differs as text: in the plans, or in what ``spelling`` makes of them."""
        return differences(self.plans_before, self.plans_after, spelling or pretty)

    def as_dict(self) -> dict[str, Any]:
        """The delta as plain data, with the ids."""
        return {"before": self.before.id, "after": self.after.id, **self.delta.as_dict()}


@paused()
def compared(store: Store, before: Release, after: Release, host: str | None = None) -> Comparison:
    """Read two releases.

    Args:
        store: Where they are.
        before: From this one …
        after: … to this one.
        host: One host alone.

    Raises:
        NoSuchHost: Neither release has a plan for it.
    """
    first = store.plans(before)
    second = store.plans(after, first.values())
    if host is None:
        return Comparison(before, after, first, second)
    if host not in first.keys() | second.keys():
        raise NoSuchHost(f"Neither release has a plan for '{host}'.")
    return Comparison(before, after, _only(first, host), _only(second, host))


def _only(plans: Mapping[str, Plan], host: str) -> dict[str, Plan]:
    return {host: plans[host]} if host in plans else {}
