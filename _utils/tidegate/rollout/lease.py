"""Who drives: exactly one engine holds the lease, and its epoch tells its acts from those of any engine before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from tidegate.release.schema import LeaseRow
from tidegate.release.store import Store
from tidegate.rollout.errors import Fenced

NAME = "engine"
"""The one lease that there is."""

__all__ = ["NAME", "Fenced", "Lease", "Leases", "check"]


@dataclass(frozen=True)
class Lease:
    """A lease as it was at the last renewal.

    Attributes:
        holder: Who has it.
        epoch: Greater than that of every holder before. Hosts refuse acts with one lower than they have seen.
        until: When it ends unless it is renewed, by the store's clock.
    """

    holder: str
    epoch: int
    until: datetime


class Leases:
    """The lease of a store.

    The clock is PostgreSQL's own, or for SQLite, whose users share a machine, that machine's. It decides only *when*
    somebody else may take over, never whether two may act: that is the epoch's, which `check` holds every act against.
    """

    def __init__(self, store: Store) -> None:
        self._database = store.database

    def acquire(self, holder: str, seconds: float) -> Lease | None:
        """Take the lease if nobody else holds it.

        A holder that asks again, after a restart say, gets it at once, with a new epoch: what it did before is over.

        Args:
            holder: Who asks; two engines must not have one name.
            seconds: For how long, unless it is renewed.

        Returns:
            The lease, or ``None`` while another holds it.
        """
        with self._database.writing() as connection:
            now, row = _now(connection), _row(connection)
            if row is not None and row.holder != holder and _held(row, now):
                return None
            # The time keeps a store that was restored from a backup from handing out epochs that hosts have seen.
            epoch = max(row.epoch + 1 if row else 1, int(now.timestamp()))
            until = now + timedelta(seconds=seconds)
            values = {"holder": holder, "epoch": epoch, "renewed_at": now, "until": until}
            if row is None:
                connection.execute(insert(LeaseRow), [{"name": NAME, **values}])
            else:
                connection.execute(update(LeaseRow).where(LeaseRow.name == NAME).values(values))
            return Lease(holder, epoch, until)

    def renew(self, lease: Lease) -> Lease:
        """Hold it for as long again from now on. One that has ended, but that nobody took, goes on.

        Raises:
            Fenced: Another has taken it.
        """
        with self._database.writing() as connection:
            row, now = check(connection, lease.epoch), _now(connection)
            until = now + (row.until - row.renewed_at)
            connection.execute(update(LeaseRow).where(LeaseRow.name == NAME).values(renewed_at=now, until=until))
            return Lease(lease.holder, lease.epoch, until)

    def give_up(self, lease: Lease) -> None:
        """Let others have it at once; without effect if another has it already."""
        with self._database.writing() as connection:
            ours = update(LeaseRow).where(LeaseRow.name == NAME, LeaseRow.epoch == lease.epoch)
            connection.execute(ours.values(until=LeaseRow.renewed_at))

    def current(self) -> Lease | None:
        """The lease that is held now, if one is."""
        with self._database.reading() as connection:
            row = _row(connection)
            return Lease(row.holder, row.epoch, row.until) if row is not None and _held(row, _now(connection)) else None


def check(connection: Connection, epoch: int) -> Any:
    """Hold an act against the lease, in the transaction that the act is made in.

    Returns:
        The lease's row.

    Raises:
        Fenced: The lease is another's.
    """
    row = _row(connection)
    if row is None:
        raise Fenced(
            f"The store knows of no engine with epoch {epoch}: it was restored or replaced. Take the lease again."
        )
    if row.epoch != epoch:
        raise Fenced(f"The engine {row.holder} has taken over (epoch {row.epoch}, not {epoch}): this one must stop.")
    return row


def _held(row: Any, now: datetime) -> bool:
    """Whether it has not ended. A clock that was set back must not make it last: hence no more than its length ago,
    nor ahead."""
    return bool(abs(now - row.renewed_at) < row.until - row.renewed_at)


def _row(connection: Connection) -> Any:
    return connection.execute(select(LeaseRow.__table__).where(LeaseRow.name == NAME)).one_or_none()


def _now(connection: Connection) -> datetime:
    if connection.dialect.name == "postgresql":
        # Not now(): that is when the transaction began, which may have waited for another's.
        found: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return found.astimezone(timezone.utc)
    return datetime.now(timezone.utc)
