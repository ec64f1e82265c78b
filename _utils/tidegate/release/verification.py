"""Proof that a release is what was created: every digest in it, worked out again from what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tidegate.release.errors import Damaged
from tidegate.release.integrity import intact_plan
from tidegate.release.release import Release, digest, identity
from tidegate.release.store import Store


@dataclass(frozen=True)
class Verified:
    """What came of it: ``damage`` has a sentence for each thing that is not what was stored."""

    release: Release
    damage: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain data."""
        return {"id": self.release.id, "hosts": self.release.hosts, "damage": list(self.damage)}


def verify(store: Store, releases: Iterable[Release], progress: Callable[[str], None]) -> list[Verified]:
    """Verify releases; a plan that several of them have is worked out once.

    Raises:
        StoreError: The store cannot be read at all.
    """
    plans = _Plans(store)
    outcomes = []
    for release in releases:
        progress(f"verifying {release.short}, {release.hosts} hosts")
        outcomes.append(Verified(release, tuple(_damage(store, release, plans))))
    return outcomes


def _damage(store: Store, release: Release, plans: _Plans) -> list[str]:
    found = []
    digests = store.digests(release)
    if digest(store.policy(release)) != release.policy_digest:
        found.append("The stored policy was altered: it has another digest.")
    if identity(release.policy_digest, digests) != release.id:
        found.append("Hosts or their plans were added, taken away or exchanged: the release's id is another's.")
    return found + plans.damage(digests)


class _Plans:
    """Plans that were looked at, and what is wrong with those that are not good."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._damage: dict[tuple[str, str], str | None] = {}

    def damage(self, digests: dict[str, str]) -> list[str]:
        """What is wrong with the plans of some hosts."""
        new: dict[str, list[str]] = {}
        for host, plan in digests.items():
            if (host, plan) not in self._damage:
                new.setdefault(plan, []).append(host)
        for plan, text in self._store.documents(new):
            self._damage.update({(host, plan): _reason(text, plan, host) for host in new[plan]})
        found = [
            self._damage.get(pair, f"The plan {pair[1]:.12} of {pair[0]} is not in the store.")
            for pair in digests.items()
        ]
        return [reason for reason in found if reason]


def _reason(text: str, plan: str, host: str) -> str | None:
    try:
        intact_plan(text, plan, host)
    except Damaged as error:
        return str(error)
    return None
