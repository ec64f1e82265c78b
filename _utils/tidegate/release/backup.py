"""Backups of a store in SQLite, made and put back while others use it. PostgreSQL has tools of its own for both."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy import URL

from tidegate.host import durable
from tidegate.host.errors import Refused
from tidegate.release.database import PATIENCE
from tidegate.release.errors import Missing, StoreError
from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout.event import Event
from tidegate.rollout.journal import Journal
from tidegate.rollout.lease import Leases

WITH_PG_DUMP = (
    "A store in PostgreSQL is backed up with 'pg_dump -Fc -f FILE DATABASE', and put back with "
    "'createdb NEW && pg_restore -d NEW FILE'."
)

_NO_DATABASE = ("not a database", "malformed")


@dataclass(frozen=True)
class Restored:
    """What a restore did.

    Attributes:
        paused: Rollouts that had not ended when the backup was made: they wait until somebody resumes or aborts them.
        aside: Where the damaged store was put that was in the place; ``None`` if none was.
    """

    paused: tuple[int, ...]
    aside: Path | None


def backup(url: URL, file: Path) -> None:
    """Copy a store, as it is at one moment, into a file that is there whole or not at all.

    Args:
        url: Of the store; it may be used meanwhile.
        file: Where the copy goes; only its owner may read it.

    Raises:
        Refused: The file is there already, or the store is in PostgreSQL.
        StoreError: The store cannot be read, or the copy not be written.
    """
    source = _path(url)
    if file.exists():
        raise Refused(f"{file} is there already: a backup overwrites nothing.")
    Store(url).close()
    with _writing(file), _aside(file) as aside:
        _copy(source, aside)
        with closing(_open(aside)) as copy:
            # One file: without the log that a store in use has beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
        _intact(aside)
        with aside.open("rb") as copied:
            os.fsync(copied.fileno())
        aside.replace(file)
        durable.sync_directory(file.parent)


def restore(file: Path, url: URL, who: str) -> Restored:
    """Put a backup in the place of a store.

    Who has the store open sees the old content until the new one is there, whole. Rollouts that had not ended are
    paused: what they did since the backup is not in their journals.

    Args:
        file: The backup.
        url: Of the store; it need not be there.
        who: The person who does it, for the journals.

    Raises:
        Refused: An engine is using the store, the file is no backup, or the store is in PostgreSQL.
        StoreError: The backup cannot be read, or the store not be written.
    """
    target = _path(url)
    if not file.exists():
        raise Refused(f"There is no backup {file}.")
    made = datetime.fromtimestamp(file.stat().st_mtime, timezone.utc)
    _not_in_use(url, target)
    with _writing(target):
        target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".restore.") as folder:
        copy = Path(folder, "store.db")
        with _writing(target):
            _copy(file, copy)
        _intact(copy)
        paused = _paused(copy, who, f"the store was restored from a backup of {made:%Y-%m-%d %H:%M} UTC")
        aside = _put_aside(target) if _damaged(url) else None
        Store(url, create=True).close()
        with _writing(target):
            _copy(copy, target)
    Store(url).close()
    return Restored(paused, aside)


def _path(url: URL) -> Path:
    if url.get_backend_name() != "sqlite":
        raise Refused(WITH_PG_DUMP)
    return Path(str(url.database))


def _not_in_use(url: URL, target: Path) -> None:
    """Refuse while an engine acts on the store. Who uses one that cannot even be opened cannot be known."""
    try:
        with closing(Store(url)) as store:
            held = Leases(store).current()
    except Missing:
        return
    except StoreError:
        if _damaged(url):
            return
        raise
    if held is not None:
        raise Refused(
            f"The engine {held.holder} is using the store {target}: stop it and wait until "
            f"{held.until:%H:%M:%S} UTC, then restore."
        )


def _damaged(url: URL) -> bool:
    """Whether something is in the store's place that is no database any more."""
    try:
        Store(url).close()
    except StoreError as error:
        return any(words in str(error) for words in _NO_DATABASE)
    return False


def _put_aside(target: Path) -> Path:
    """Keep a damaged store under another name, with what belongs to it."""
    aside = target.with_name(f"{target.name}.damaged-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}")
    for ending in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            target.with_name(target.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def _paused(copy: Path, who: str, why: str) -> tuple[int, ...]:
    """Bring the copy up to date, and pause the rollouts in it that have not ended."""
    with closing(Store(parse(str(copy)))) as store:
        journal = Journal(store)
        numbers = tuple(rollout.number for rollout in journal.rollouts(active=True))
        for number in numbers:
            journal.ask(number, Event("paused", {}, who=who, why=why))
        return numbers


def _copy(source: Path, target: Path) -> None:
    """Copy a database by SQLite's own means: one state of it, in one transaction of the target."""
    deadline = time.monotonic() + PATIENCE

    def wait(_status: int, _remaining: int, _pages: int) -> None:
        # It is all done in one step, which is tried again and again while somebody else is writing.
        if time.monotonic() > deadline and _remaining:
            raise sqlite3.OperationalError("another process has been writing for too long")

    with closing(_open(source)) as reader, closing(_open(target)) as writer:
        reader.backup(writer, progress=wait)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=PATIENCE)


def _intact(path: Path) -> None:
    with closing(_open(path)) as connection:
        try:
            (outcome,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        except sqlite3.DatabaseError as error:
            raise StoreError(f"The copy of the store is no database: {error}.") from error
    if outcome != "ok":
        raise StoreError(f"The copy of the store is damaged: {outcome.splitlines()[0]}.")
    if not {"alembic_version", "release", "plan"} <= tables:
        raise Refused("This is no backup of a store: the tables of one are not in it.")


@contextmanager
def _aside(file: Path) -> Iterator[Path]:
    """An empty file beside another, gone after the block."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            Path(name + ending).unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be written or its source not be read: {error}.") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error
