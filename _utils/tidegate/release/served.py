"""What a host is served: the plan of the release that it is assigned to, with the operations in effect put to it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, exists, select

from tidegate.host.plan import Plan
from tidegate.policy.collector import paused
from tidegate.release.compose import composed
from tidegate.release.errors import NoSuchHost, NotAssigned
from tidegate.release.integrity import intact_plan
from tidegate.release.operations import ACTIVE, IN_PLANS, Operation, applies_to, operation_of
from tidegate.release.schema import AssignmentRow, PlanRow, ReleasePlanRow, ReleaseRow
from tidegate.release.store import Store, batches


@dataclass(frozen=True)
class Served:
    """What a host is served.

    Attributes:
        plan: With the operations put to it.
        release: Id of the release that it comes from.
        operations: Those in effect that are about this host, oldest first.
    """

    plan: Plan
    release: str
    operations: list[Operation]


def served(store: Store, host: str, now: datetime) -> Served:
    """What a host is served, found by one indexed query, and one for the operations.

    Args:
        store: Where it is looked up.
        host: The minion's id; it may come from anywhere, and is only ever looked up.
        now: Which operations are in effect.

    Raises:
        NotAssigned: It is assigned to no release, but is in one.
        NoSuchHost: It is in no release at all.
        Damaged: Its plan is not what was stored.
        Refused: An operation cannot be put to the plan.
    """
    with store.database.looking_up() as connection:
        row = connection.execute(_LOOK_UP, {"host": host}).one_or_none()
        if row is None:
            raise _without(connection, host)
        rows = connection.execute(ACTIVE, {"now": now}).all()
    plan = intact_plan(row.document, row.digest, host)
    operations = [operation for operation in map(operation_of, rows) if applies_to(operation, plan.labels)]
    return Served(composed(plan, operations, now), row.id, operations)


def expected(store: Store, release: str, hosts: Collection[str], now: datetime) -> dict[str, str]:
    """Which plans hosts would run if they were assigned to a release.

    Args:
        store: Where it is looked up.
        release: The whole id.
        hosts: Which hosts; those that the release has no plan for are left out.
        now: Which operations are in effect.

    Returns:
        Host → digest of its plan with the operations put to it.

    Raises:
        Damaged: A plan that an operation is put to is not what was stored.
        Refused: An operation cannot be put to a plan.
    """
    with store.database.reading() as connection:
        rows = connection.execute(ACTIVE, {"now": now}).all()
        changes = [operation for operation in map(operation_of, rows) if operation.kind in IN_PLANS]
        found: dict[str, str] = {}
        for batch in batches(hosts):
            for row in connection.execute(_PLANS if changes else _DIGESTS, {"id": release, "hosts": batch}):
                found[row.host] = _composed(row.document, row.digest, row.host, changes, now) if changes else row.digest
    return found


def _composed(document: str, digest: str, host: str, changes: list[Operation], now: datetime) -> str:
    with paused():
        return composed(intact_plan(document, digest, host), changes, now).digest


def _without(connection: Connection, host: str) -> NotAssigned | NoSuchHost:
    """Why a host has no assignment. Asked of every release in turn, each time by its key: no table is read through."""
    if connection.execute(_SOME, {"host": host}).first() is not None:
        return NotAssigned(f"No release is assigned to {host} yet: a rollout does that.")
    return NoSuchHost(f"No release has a plan for '{host}'.")


_LOOK_UP = (
    select(PlanRow.digest, PlanRow.document, ReleaseRow.id)
    .join(ReleasePlanRow, ReleasePlanRow.plan == PlanRow.digest)
    .join(ReleaseRow, ReleaseRow.number == ReleasePlanRow.release)
    .join(
        AssignmentRow,
        (AssignmentRow.release == ReleasePlanRow.release) & (AssignmentRow.host == ReleasePlanRow.host),
    )
    .where(AssignmentRow.host == bindparam("host"))
)

_SOME = (
    select(ReleaseRow.number)
    .where(
        exists().where(ReleasePlanRow.release == ReleaseRow.number, ReleasePlanRow.host == bindparam("host")),
    )
    .limit(1)
)

_CHOSEN = (ReleaseRow.id == bindparam("id")) & ReleasePlanRow.host.in_(bindparam("hosts", expanding=True))
_DIGESTS = (
    select(ReleasePlanRow.host, ReleasePlanRow.plan.label("digest"))
    .join(ReleaseRow, ReleaseRow.number == ReleasePlanRow.release)
    .where(_CHOSEN)
)
_PLANS = _DIGESTS.add_columns(PlanRow.document).join(PlanRow, PlanRow.digest == ReleasePlanRow.plan)
