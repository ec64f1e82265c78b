"""The database under the store: connections, transactions, the schema, and its errors in one sentence."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tidegate.release.errors import Busy, Missing, StoreError, TooNew
from tidegate.release.schema import HEAD

PATIENCE = 30
"""Seconds to wait for another writer, unless the URL has a ``timeout`` of its own (SQLite)."""

WRITER_LOCK = 0x7469_6465_6761_7465
"""Key of the PostgreSQL advisory lock that lets one writer in: ``tidegate`` in ASCII."""

_BUSY = ("database is locked", "lock timeout")

_PATIENT = {"connect_timeout": "5", "tcp_user_timeout": "15000"}
"""How long a PostgreSQL server that is silent is waited for: seconds to connect, milliseconds once connected. Both
are libpq's, and without end unless stated."""


class Database:
    """A database with the store's tables in it, of the schema that this library knows."""

    def __init__(self, url: URL, *, create: bool = False) -> None:
        """Connect, and bring an older schema up to date.

        Args:
            url: Where it is.
            create: Make the tables, and for SQLite the file, where there are none.

        Raises:
            Missing: There are none, and none are to be made.
            TooNew: A newer Tidegate has changed the schema.
            StoreError: The database cannot be used.
        """
        self.name = url.render_as_string(hide_password=True)
        self._sqlite = url.get_backend_name() == "sqlite"
        self._path = Path(str(url.database))
        self._replacing = Lock()
        with self._sentence():
            if self._sqlite:
                _ensure(self._path, create, self._absent)
                self._opened = self._file()
            self._engine = _engine(url)
            self._prepare(create)

    @property
    def path(self) -> Path | None:
        """The file of a SQLite store."""
        return self._path if self._sqlite else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the store, and changes nothing."""
        with self._sentence():
            self._follow()
            with self._engine.connect() as connection:
                if not self._sqlite:
                    connection.execution_options(isolation_level="REPEATABLE READ")
                yield connection

    @contextmanager
    def looking_up(self) -> Iterator[Connection]:
        """For queries of which each may see a state of its own: without the cost of a transaction."""
        with self._sentence():
            self._follow()
            options = {"tidegate_looks": True} if self._sqlite else {"isolation_level": "AUTOCOMMIT"}
            with self._engine.execution_options(**options).connect() as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is alone in writing, kept if the block ends well.

        Raises:
            Busy: Another writer took longer than we wait.
        """
        with self._sentence():
            self._follow()
            with self._engine.execution_options(tidegate_writes=True).begin() as connection:
                if not self._sqlite:
                    connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}s'"))
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})"))
                yield connection

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def _follow(self) -> None:
        """Open the file anew if another is in its place: who kept to the old one would read and write what nobody
        else sees."""
        if not self._sqlite or self._file() == self._opened:
            return
        with self._replacing:
            if (found := self._file()) != self._opened:
                self._engine.dispose()
                self._opened = found
                self._prepare(create=False)

    def _file(self) -> tuple[int, int]:
        """What tells the file from another of its name. As long as we have it open, no other gets its number."""
        try:
            state = self._path.stat()
        except FileNotFoundError:
            raise StoreError(f"The store {self.name} is gone: put the file back, or restore a backup.") from None
        return state.st_dev, state.st_ino

    def _prepare(self, create: bool) -> None:
        with self._engine.connect() as connection:
            found = _revision(connection)
        if found is None and not create:
            raise self._absent()
        if found != HEAD:
            self._migrate()

    def _migrate(self) -> None:
        """Bring the schema to the newest one, all of it or nothing, and one process at a time."""
        if self._sqlite:
            # Readers then never wait for a writer, nor it for them. The file remembers it.
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                _write_ahead(connection)
        with self.writing() as connection:
            _upgrade(connection, self.name)

    def _absent(self) -> Missing:
        return Missing(f"There is no store in {self.name} yet: 'tidegate release create' makes it.")

    @contextmanager
    def _sentence(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            reason = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
            if any(words in reason for words in _BUSY):
                raise Busy(f"The store {self.name} is busy: another process is writing to it. Try again.") from error
            raise StoreError(f"The store {self.name} cannot be used: {reason}.") from error
        except OSError as error:
            raise StoreError(f"The store {self.name} cannot be used: {error.strerror}.") from error


def _write_ahead(connection: Connection) -> None:
    """Turn the write-ahead log on. SQLite does not wait for a lock here, whatever its time-out says: we do."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute(text("PRAGMA journal_mode = WAL"))
        except OperationalError as error:
            if _BUSY[0] not in str(error.orig) or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        waiting = {name: value for name, value in _PATIENT.items() if name not in url.query}
        # A connection that broke since it was last used is replaced, not handed out.
        return create_engine(url.update_query_dict(waiting), pool_pre_ping=True)
    if "timeout" not in url.query:
        url = url.update_query_dict({"timeout": str(PATIENCE)})
    engine = create_engine(url)
    event.listen(engine, "connect", _own_transactions)
    event.listen(engine, "begin", _begin)
    return engine


def _own_transactions(connection: Any, _record: Any) -> None:
    """Python's sqlite3 begins transactions when it sees fit, and never for DDL: we begin them ourselves."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") != "AUTOCOMMIT" and not options.get("tidegate_looks"):
        # A writer takes its lock at once: one that began as a reader could not wait for it (SQLITE_BUSY_SNAPSHOT).
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("tidegate_writes") else "BEGIN")


def _ensure(path: Path, create: bool, absent: Any) -> None:
    """Make the file, for its folder's owner: ``root`` may well create a release before the master's own user does."""
    if path.exists():
        return
    if not create:
        raise absent()
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o640))
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)


def _revision(connection: Connection) -> str | None:
    """The schema's version, or ``None`` where the tables are not."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, name: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    found = _revision(connection)
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise TooNew(
            f"A newer Tidegate has changed the store {name} (its schema is {found}, this version knows up to {HEAD}): "
            "update Tidegate here."
        ) from None
