"""Which release each host is to run. Rollouts write it, with their journals; here it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from tidegate.release.errors import NoSuchRelease
from tidegate.release.release import SHORT
from tidegate.release.schema import AssignmentRow, ReleaseRow
from tidegate.release.store import Store


class Assignments:
    """Host → release."""

    def __init__(self, store: Store) -> None:
        self._database = store.database

    def release_of(self, host: str) -> str | None:
        """The id of the release that a host is assigned to."""
        with self._database.reading() as connection:
            return connection.execute(_ONE, {"host": host}).scalar_one_or_none()

    def all(self) -> dict[str, str]:
        """Host → id of its release, in the order of the hosts' names; only hosts that have one."""
        with self._database.reading() as connection:
            return of_all(connection)

    def any(self) -> bool:
        """Whether any host is assigned to a release."""
        with self._database.reading() as connection:
            return connection.execute(_ANY).first() is not None


def of_all(connection: Connection) -> dict[str, str]:
    """What `Assignments.all` says, in a transaction."""
    return dict(sorted((host, release) for host, release in connection.execute(_ALL)))


def assign(connection: Connection, wanted: Mapping[str, str | None], rollout: int | None, now: datetime) -> None:
    """Assign hosts to releases, in a transaction that writes.

    Args:
        connection: Of that transaction.
        wanted: Host → id of a release, or ``None`` to take its assignment away.
        rollout: Number of the rollout that says so, if one does.
        now: When.

    Raises:
        NoSuchRelease: The store has no release with one of the ids.
    """
    numbers = _numbers(connection, {release for release in wanted.values() if release is not None})
    gone = [{"gone": host} for host, release in wanted.items() if release is None]
    rows = [
        {"host": host, "release": numbers[release], "rollout": rollout, "since": now}
        for host, release in wanted.items()
        if release is not None
    ]
    if gone:
        connection.execute(delete(AssignmentRow).where(AssignmentRow.host == bindparam("gone")), gone)
    if rows:
        insert = insert_postgresql if connection.dialect.name == "postgresql" else insert_sqlite
        statement = insert(AssignmentRow)
        new = {name: statement.excluded[name] for name in ("release", "rollout", "since")}
        connection.execute(statement.on_conflict_do_update(index_elements=["host"], set_=new), rows)


def _numbers(connection: Connection, ids: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for id_ in ids:
        number = connection.execute(select(ReleaseRow.number).where(ReleaseRow.id == id_)).scalar_one_or_none()
        if number is None:
            raise NoSuchRelease(f"The store has no release {id_[:SHORT]} to assign hosts to.")
        found[id_] = number
    return found


_ALL = select(AssignmentRow.host, ReleaseRow.id).join(ReleaseRow, ReleaseRow.number == AssignmentRow.release)
_ONE = (
    select(ReleaseRow.id)
    .join(AssignmentRow, ReleaseRow.number == AssignmentRow.release)
    .where(AssignmentRow.host == bindparam("host"))
)
_ANY = select(AssignmentRow.host).limit(1)
