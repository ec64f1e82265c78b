"""What is in a store, and who uses it: the first look when something is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from tidegate.release.assignments import Assignments
from tidegate.release.operations import Operation, Operations
from tidegate.release.release import Release
from tidegate.release.schema import HEAD
from tidegate.release.store import Store
from tidegate.rollout.journal import Journal, Rollout
from tidegate.rollout.lease import Lease, Leases


@dataclass(frozen=True)
class Inventory:
    """What is in a store.

    Attributes:
        name: Its URL, without a password.
        size: Bytes of a SQLite store's file; ``None`` for PostgreSQL.
        releases: Newest first.
        assigned: Id of a release → how many hosts are assigned to it; only releases with hosts.
        rollouts: Those that have not ended.
        operations: Those in effect.
        lease: Of the engine that drives, if one does.
    """

    name: str
    size: int | None
    releases: list[Release]
    assigned: dict[str, int]
    rollouts: list[Rollout]
    operations: list[Operation]
    lease: Lease | None

    def as_dict(self) -> dict[str, Any]:
        """The inventory as plain data."""
        lease = self.lease
        return {
            "store": self.name,
            "schema": HEAD,
            "size": self.size,
            "releases": len(self.releases),
            "assigned": self.assigned,
            "rollouts": [rollout.as_dict() for rollout in self.rollouts],
            "operations": [operation.as_dict() for operation in self.operations],
            "engine": {"holder": lease.holder, "epoch": lease.epoch, "until": lease.until.isoformat(timespec="seconds")}
            if lease
            else None,
        }


def inventory(store: Store) -> Inventory:
    """Take one."""
    assigned: dict[str, int] = {}
    for release in Assignments(store).all().values():
        assigned[release] = assigned.get(release, 0) + 1
    path = store.database.path
    return Inventory(
        store.name,
        path.stat().st_size if path else None,
        store.releases(),
        assigned,
        Journal(store).rollouts(active=True),
        Operations(store).active(datetime.now(timezone.utc)),
        Leases(store).current(),
    )
