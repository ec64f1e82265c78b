"""Backups: whole, made while the store is used, and put back without harm to who uses it."""

import json
import sqlite3
import threading
from contextlib import closing

import pytest
from briefs import AMS, IAD, brief
from drafts import LHR1, draft
from sqlalchemy import text
from typer.testing import CliRunner

from tidegate.cli.main import app
from tidegate.host.errors import Refused
from tidegate.release.assignments import Assignments
from tidegate.release.backup import backup, restore
from tidegate.release.errors import StoreError, TooNew
from tidegate.release.location import parse
from tidegate.release.operations import Operations
from tidegate.release.store import Store
from tidegate.release.verification import verify
from tidegate.rollout.event import Event
from tidegate.rollout.journal import Journal
from tidegate.rollout.lease import Fenced, Leases


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "store.db"


@pytest.fixture
def used(path):
    """A store with a release, a rollout under way that has assigned a host, and an operation."""
    with closing(Store(parse(str(path)), create=True)) as store:
        release, _ = store.add(draft(), who="alice")
        number = Journal(store).start(brief(release, (AMS,), (IAD,)), "alice", "")
        lease = Leases(store).acquire("master1", 30)
        Journal(store).record(number, [Event("wave", {"wave": "wave1"})], {AMS: release.id}, lease.epoch)
        Operations(store).add("hold", {"host": IAD}, {}, who="bob", why="x")
        Leases(store).give_up(lease)
        yield store


def opened(path):
    return closing(Store(parse(str(path))))


def test_a_backup_is_a_whole_store_in_one_file(used, path, tmp_path):
    file = tmp_path / "backup.db"
    backup(parse(str(path)), file)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["backup.db", "state"]
    assert file.stat().st_mode & 0o777 == 0o600
    with opened(file) as copy:
        assert copy.releases() == used.releases()
        assert Journal(copy).events(1) == Journal(used).events(1)
        assert Assignments(copy).all() == Assignments(used).all()
        assert Operations(copy).all() == Operations(used).all()
        assert not any(outcome.damage for outcome in verify(copy, copy.releases(), lambda _step: None))


def test_a_backup_made_while_others_write_is_one_state(used, path, tmp_path):
    done = threading.Event()

    def write():
        with opened(path) as store:
            while not done.is_set():
                Journal(store).ask(1, Event("paused", {}, who="bob"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(5):
            backup(parse(str(path)), tmp_path / f"{turn}.db")
    finally:
        done.set()
        writer.join()
    for turn in range(5):
        with opened(tmp_path / f"{turn}.db") as copy:
            events = Journal(copy).events(1)
            assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_backup_overwrites_nothing(used, path, tmp_path):
    file = tmp_path / "backup.db"
    file.write_text("precious")
    with pytest.raises(Refused, match="is there already"):
        backup(parse(str(path)), file)
    assert file.read_text() == "precious"


def test_a_backup_into_a_folder_that_there_is_not(used, path, tmp_path):
    with pytest.raises(StoreError, match="cannot be written: No such file"):
        backup(parse(str(path)), tmp_path / "nowhere" / "backup.db")


def test_a_backup_of_a_damaged_store_is_none(used, path, tmp_path):
    used.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'release_plan'"
        (page,) = connection.execute(query).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(StoreError, match=r"damaged|malformed|no database"):
        backup(parse(str(path)), tmp_path / "backup.db")
    assert [found.name for found in tmp_path.iterdir()] == ["state"]


def test_who_has_the_store_open_sees_what_was_put_back(used, path, tmp_path):
    backup(parse(str(path)), tmp_path / "backup.db")
    second, _ = used.add(draft(LHR1), who="carol", newest=used.newest())
    assert len(used.releases()) == 2
    assert restore(tmp_path / "backup.db", parse(str(path)), "dave").aside is None
    assert len(used.releases()) == 1
    assert used.known(second.id) is None
    with used.database.reading() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    assert used.add(draft(LHR1), who="carol", newest=used.newest())[1]


def test_rollouts_that_had_not_ended_are_paused(used, path, tmp_path):
    backup(parse(str(path)), tmp_path / "backup.db")
    assert restore(tmp_path / "backup.db", parse(str(path)), "dave").paused == (1,)
    last = Journal(used).events(1)[-1]
    assert (last.kind, last.who) == ("paused", "dave")
    assert last.why.startswith("the store was restored from a backup of 20")
    with opened(tmp_path / "backup.db") as copy:
        assert Journal(copy).events(1)[-1].kind == "wave", "the backup stays as it was"


def test_nothing_is_put_back_while_an_engine_acts(used, path, tmp_path):
    backup(parse(str(path)), tmp_path / "backup.db")
    lease = Leases(used).acquire("master1", 30)
    with pytest.raises(Refused, match="The engine master1 is using the store"):
        restore(tmp_path / "backup.db", parse(str(path)), "dave")
    Leases(used).give_up(lease)
    restore(tmp_path / "backup.db", parse(str(path)), "dave")


def test_an_engine_from_before_is_fenced_and_the_next_has_a_higher_epoch(used, path, tmp_path):
    backup(parse(str(path)), tmp_path / "backup.db")
    lease = Leases(used).acquire("master1", 30)
    Leases(used).give_up(lease)
    restore(tmp_path / "backup.db", parse(str(path)), "dave")
    with pytest.raises(Fenced):
        Journal(used).record(1, [Event("promoted", {"wave": "wave1"})], {}, lease.epoch)


def test_it_is_put_where_no_store_is(used, path, tmp_path):
    backup(parse(str(path)), tmp_path / "backup.db")
    elsewhere = tmp_path / "other" / "folder" / "store.db"
    restore(tmp_path / "backup.db", parse(str(elsewhere)), "dave")
    assert sorted(found.name for found in elsewhere.parent.iterdir() if "-" not in found.name) == ["store.db"]
    with opened(elsewhere) as store:
        assert store.releases() == used.releases()


def test_a_damaged_store_is_put_aside(used, path, tmp_path):
    backup(parse(str(path)), tmp_path / "backup.db")
    used.close()
    path.write_text("not a database, but long enough to look like one\n" * 100)
    aside = restore(tmp_path / "backup.db", parse(str(path)), "dave").aside
    assert aside.read_text().startswith("not a database")
    with opened(path) as store:
        assert len(store.releases()) == 1
    assert len(used.releases()) == 1, "who had the old file open finds the new one"


@pytest.mark.parametrize("content", [b"", b"no database\n" * 500, None])
def test_what_is_no_backup_changes_nothing(used, path, tmp_path, content):
    file = tmp_path / "backup.db"
    if content is None:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE other (x)")
    else:
        file.write_bytes(content)
    with pytest.raises((Refused, StoreError)):
        restore(file, parse(str(path)), "dave")
    assert len(used.releases()) == 1
    with pytest.raises(Refused, match="There is no backup"):
        restore(tmp_path / "nothing", parse(str(path)), "dave")


def test_a_backup_of_a_newer_version_is_refused(used, path, tmp_path):
    file = tmp_path / "backup.db"
    backup(parse(str(path)), file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(TooNew):
        restore(file, parse(str(path)), "dave")
    assert len(used.releases()) == 1


def test_postgresql_has_its_own(tmp_path):
    url = parse("postgresql://tidegate@db1/tidegate")
    for act in (lambda: backup(url, tmp_path / "x"), lambda: restore(tmp_path / "x", url, "dave")):
        with pytest.raises(Refused, match="pg_dump -Fc"):
            act()


class TestCommand:
    """`tidegate store`."""

    @pytest.fixture
    def run(self, path, monkeypatch):
        monkeypatch.setenv("TIDEGATE_STORE", str(path))
        return lambda *arguments: CliRunner().invoke(app, ["store", *arguments])

    def test_status_says_what_is_in_it(self, run, used):
        outcome = run("status")
        assert outcome.exit_code == 0, outcome.output
        for words in (
            "releases    1, the newest",
            "1 hosts to",
            "rollouts    1 (release",
            "1 in effect",
            "none: nothing",
        ):
            assert words in outcome.output
        Leases(used).acquire("master1", 30)
        assert "engine      master1 until" in run("status").output
        found = json.loads(run("status", "--json").output)
        assert found["engine"]["holder"] == "master1"
        assert found["assigned"] == {used.newest().id: 1}

    def test_without_a_store_it_says_so(self, run):
        outcome = run("status")
        assert outcome.exit_code == 1
        assert "There is no store" in outcome.output
        assert "error" in json.loads(run("status", "--json").output)

    def test_there_and_back(self, run, used, tmp_path):
        file = str(tmp_path / "backup.db")
        assert "Backed up to" in run("backup", file).output
        assert run("backup", file).exit_code == 1
        used.add(draft(LHR1), who="carol", newest=used.newest())
        outcome = run("restore", file)
        assert outcome.exit_code == 0, outcome.output
        assert "Rollout 1 is paused" in outcome.output
        assert len(used.releases()) == 1
        assert json.loads(run("restore", file, "--json").output) == {"paused": [1], "aside": None}
