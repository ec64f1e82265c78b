"""The store: releases go in whole, stay as they are, and are found again; the same on SQLite and PostgreSQL."""

import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from drafts import AMS1, LHR1, draft
from sqlalchemy import create_engine, text

from tidegate.host.plan import canonical
from tidegate.release import location, schema
from tidegate.release.assignments import Assignments
from tidegate.release.database import Database
from tidegate.release.errors import Busy, Damaged, Missing, NoSuchHost, NoSuchRelease, Overtaken, StoreError, TooNew
from tidegate.release.location import parse
from tidegate.release.release import Waiver, identity
from tidegate.release.store import Store
from tidegate.rollout.journal import Journal

HOSTS = ["edge1.ams1", "edge1.iad1", "edge1.lhr1", "edge2.lhr1"]


def added(store, *changes, **options):
    release, new = store.add(draft(*changes), who="alice", newest=store.newest(), **options)
    assert new
    return release


def alter(url, statement, **values):
    """What nobody should do to a store."""
    engine = create_engine(parse(url))
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


def count(url, table):
    engine = create_engine(parse(url))
    with engine.connect() as connection:
        rows = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
    engine.dispose()
    return rows


def test_a_release_comes_back_as_it_was_stored(store):
    wanted = draft()
    release, new = store.add(wanted, who="alice", note="the first")
    assert new
    assert (release.who, release.note, release.hosts, release.against, release.waivers) == (
        "alice",
        "the first",
        4,
        None,
        (),
    )
    assert release.created_at.utcoffset().total_seconds() == 0
    assert store.find(release.id) == store.newest() == release
    assert store.policy(release) == wanted.policy
    stored = store.plans(release)
    assert list(stored) == HOSTS
    assert {host: canonical(plan.document) for host, plan in stored.items()} == {
        host: canonical(plan.document) for host, plan in wanted.plans.items()
    }


def test_its_id_is_a_digest_of_its_content_and_of_nothing_else(store):
    wanted = draft()
    release, _ = store.add(wanted, who="alice", note="one")
    assert release.id == identity(wanted.policy_digest, {host: plan.digest for host, plan in wanted.plans.items()})
    assert len(release.id) == 64


def test_the_same_content_is_the_same_release_and_the_first_one_stays_as_it_was(store):
    first = added(store, note="the first")
    again, new = store.add(draft(), who="bob", note="again")
    assert not new
    assert again == first
    assert len(store.releases()) == 1


def test_equal_plans_are_stored_once(store, url):
    added(store)
    added(store, LHR1)
    assert count(url, "plan") == 5
    assert count(url, "release_plan") == 8


def test_releases_are_listed_newest_first_whatever_the_clock_says(store, url):
    first, second, third = added(store), added(store, LHR1), added(store, AMS1)
    alter(url, "UPDATE release SET created_at = '2001-01-01 00:00:00' WHERE id = :id", id=third.id)
    assert [release.id for release in store.releases()] == [third.id, second.id, first.id]
    assert [release.id for release in store.releases(2)] == [third.id, second.id]
    assert store.newest().id == third.id


def test_a_release_is_found_by_how_its_id_begins(store):
    release = added(store)
    for length in (1, 4, 12, 64):
        assert store.find(release.id[:length]) == release


def test_a_beginning_that_several_have_names_them(store, url):
    releases = [added(store), added(store, LHR1)]
    for position, release in enumerate(releases):
        alter(url, "UPDATE release SET id = :new WHERE id = :old", new=f"abc{position}{release.id[4:]}", old=release.id)
    with pytest.raises(NoSuchRelease, match=r"More than one release begins with 'abc': abc1.*, abc0"):
        store.find("abc")
    assert store.find("abc1").number == 2


@pytest.mark.parametrize("prefix", ["", "xyz", "ABC", "%", "_", "0" * 65, "f' OR 1=1 --"])
def test_what_is_no_id_is_refused(store, prefix):
    added(store)
    with pytest.raises(NoSuchRelease, match="hex digits"):
        store.find(prefix)


def test_an_id_that_nobody_has_is_an_error(store):
    added(store)
    with pytest.raises(NoSuchRelease, match="no release 'ffffffffffff'"):
        store.find("ffffffffffff")


def test_one_hosts_plan_is_one_look_up(store):
    release = added(store)
    for host in HOSTS:
        assert store.plan(release.id, host).document == draft().plans[host].document


def test_the_look_up_reads_no_table_from_end_to_end(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    added(Store(parse(url), create=True))
    from tidegate.release.store import _PLAN

    engine = create_engine(parse(url))
    with engine.connect() as connection:
        statement = str(_PLAN.compile(engine, compile_kwargs={"literal_binds": False}))
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ("x", "y")).all()
    details = [row[-1] for row in rows]
    assert len(details) == 3
    assert all(detail.startswith("SEARCH") for detail in details), details


def test_each_release_has_its_own_plan_for_a_host(store):
    first, second = added(store), added(store, LHR1)
    preferences = [store.plan(id_, "edge1.lhr1").bird["neighbors"][0]["import_"] for id_ in (first.id, second.id)]
    assert [preference.get("local_pref") for preference in preferences] == [None, 50]


@pytest.mark.parametrize("host", ["stranger", "", "edge1.lhr1'--", "edge1.*", "é"])
def test_a_host_that_is_not_in_the_release_has_no_plan(store, host):
    release = added(store)
    with pytest.raises(NoSuchHost):
        store.plan(release.id, host)


def test_a_damaged_plan_is_never_handed_out(store, url):
    release = added(store)
    alter(url, "UPDATE plan SET document = replace(document, '10.0.0.1', '10.0.0.7')")
    with pytest.raises(Damaged, match=r"edge1\.lhr1 was altered"):
        store.plan(release.id, "edge1.lhr1")


def test_plans_at_hand_are_not_read_again(store):
    release = added(store)
    known = draft().plans
    again = store.plans(release, known)
    assert all(again[host] is known[host] for host in HOSTS)


def test_waivers_are_kept_with_what_was_found(store):
    waiver = Waiver("min-pops", "iad1 is rebuilt", ({"rule": "min-pops", "reason": "web is in one PoP"},))
    first = added(store)
    release = added(store, LHR1, against=first, waivers=[waiver])
    assert release.waivers == (waiver,)
    assert release.against == first.id
    assert store.find(release.id) == release


def test_a_release_that_was_compared_with_another_newest_is_not_stored(store):
    added(store)
    with pytest.raises(Overtaken):
        store.add(draft(LHR1), who="bob", newest=None)
    assert len(store.releases()) == 1


def test_two_creators_at_once_make_a_store_and_one_release(url):
    start, outcomes = threading.Barrier(4), []

    def create():
        start.wait()
        with closing(Store(parse(url), create=True)) as store:
            outcomes.append(store.add(draft(), who="alice"))

    threads = [threading.Thread(target=create) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(new for _, new in outcomes) == [False, False, False, True]
    assert len({release.id for release, _ in outcomes}) == 1


KILLED = """
import os, sys
from drafts import draft
from tidegate.release import store
from tidegate.release.location import parse
store.canonical = lambda findings: os.kill(os.getpid(), 9)
opened = store.Store(parse(sys.argv[1]), create=True)
opened.add(draft(), who="alice", waivers=[store.Waiver("min-pops", "no reason", ())])
"""


def test_a_creation_that_is_killed_leaves_nothing(url):
    """The kill comes after every plan is in, before the waivers."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent / "policy")])
    program = [sys.executable, "-c", KILLED, url]
    outcome = subprocess.run(program, check=False, capture_output=True, env={**os.environ, "PYTHONPATH": path})
    assert outcome.returncode == -9, outcome.stderr
    with closing(Store(parse(url))) as store:
        assert store.releases() == []
        assert count(url, "plan") == 0
        added(store)


def test_without_a_store_there_is_one_sentence_and_no_file(url, tmp_path):
    with pytest.raises(Missing, match=r"There is no store in .* yet: 'tidegate release create' makes it\."):
        Store(parse(url))
    assert not (tmp_path / "state").exists()


def test_a_password_is_in_no_message():
    with pytest.raises(StoreError) as error:
        Store(parse("postgresql://tidegate:hunter2@127.0.0.1:1/tidegate"))
    assert "hunter2" not in str(error.value)
    assert "127.0.0.1" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_store_that_a_newer_version_changed_is_refused(url):
    Store(parse(url), create=True).close()
    alter(url, "UPDATE alembic_version SET version_num = '9999'")
    for create in (False, True):
        with pytest.raises(TooNew, match="schema is 9999, this version knows up to 0002"):
            Store(parse(url), create=create)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    file = tmp_path / "store.db"
    file.write_text("not a database, but long enough to look like one\n" * 100)
    with pytest.raises(StoreError, match="cannot be used: file is not a database"):
        Store(parse(str(file)), create=True)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        Store(parse(f"{tmp_path}/file/store.db"), create=True)


def test_readers_do_not_wait_for_a_writer(store, url):
    release = added(store)
    with Database(parse(url)).writing() as connection:
        connection.execute(text("DELETE FROM release_plan"))
        assert store.plan(release.id, "edge1.lhr1")
        connection.rollback()


def test_a_writer_waits_for_the_other_and_then_gives_up(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db?timeout=0.2"
    store = Store(parse(url), create=True)
    with Database(parse(url)).writing(), pytest.raises(Busy, match="another process is writing"):
        added(store)


def test_a_writer_waits_for_the_other_on_postgresql_too(server, monkeypatch):
    monkeypatch.setattr("tidegate.release.database.PATIENCE", 0.2)
    server.run("createdb", "busy")
    url = server.url("busy")
    store = Store(parse(url), create=True)
    with Database(parse(url)).writing(), pytest.raises(Busy, match="another process is writing"):
        added(store)


def test_the_migrations_make_the_tables_that_the_code_uses(url):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    Store(parse(url), create=True).close()
    engine = create_engine(parse(url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.Base.metadata) == []
    engine.dispose()


def test_a_store_of_releases_alone_is_brought_up_to_date(url, monkeypatch):
    monkeypatch.setattr("tidegate.release.database.HEAD", "0001")
    real = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: real(config, "0001"))
        old = Store(parse(url), create=True)
    release = added(old)
    old.close()
    monkeypatch.undo()
    with closing(Store(parse(url))) as store:
        assert store.releases() == [release]
        assert not Assignments(store).any()
        assert Journal(store).rollouts() == []
    assert count(url, "alembic_version") == 1


def test_another_file_in_its_place_is_opened(tmp_path):
    """Somebody removed the store and put a copy there, while a master had it open."""
    path = tmp_path / "store.db"
    store, other = Store(parse(str(path)), create=True), Store(parse(f"{tmp_path}/other.db"), create=True)
    added(store)
    second = added(other, LHR1)
    other.close()
    for file in tmp_path.glob("store.db*"):
        file.unlink()
    with pytest.raises(StoreError, match="is gone: put the file back, or restore a backup"):
        store.releases()
    (tmp_path / "other.db").rename(path)
    assert store.releases() == [second]
    assert added(store)
    with closing(Store(parse(str(path)))) as again:
        assert len(again.releases()) == 2


def test_the_newest_migration_is_the_one_the_code_asks_for():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


def test_the_file_belongs_to_the_folders_owner(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root makes files for others")
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    added(Store(parse(str(folder / "store.db")), create=True))
    assert {(file.stat().st_uid, file.stat().st_gid) for file in folder.iterdir()} == {(12345, 12345)}
    assert (folder / "store.db").stat().st_mode & 0o777 == 0o640


def test_a_dump_of_postgresql_is_a_whole_store(server, tmp_path):
    """As docs/store.md says: pg_dump, createdb, pg_restore."""
    server.run("createdb", "before")
    store = Store(parse(server.url("before")), create=True)
    release = added(store)
    server.run("pg_dump", "-Fc", "-f", str(tmp_path / "backup"), "before")
    server.run("createdb", "restored")
    server.run("pg_restore", "-d", "restored", str(tmp_path / "backup"))
    restored = Store(parse(server.url("restored")))
    assert restored.releases() == [release]
    assert restored.plan(release.id, "edge1.lhr1")
    assert added(restored, LHR1).number == 2


class TestLocation:
    """Where the store is, from the first that says it."""

    @pytest.fixture(autouse=True)
    def _nothing_said(self, monkeypatch, tmp_path):
        monkeypatch.delenv("TIDEGATE_STORE", raising=False)
        monkeypatch.setattr(location, "MASTER_CONFIG", tmp_path / "master")

    def test_the_default_is_a_file(self):
        assert location.location().database == "/var/lib/tidegate-master/store.db"

    def test_the_masters_configuration_says_it(self, tmp_path):
        opts = {"tidegate": {"store": "/srv/store.db"}}
        assert location.location(opts=opts).database == "/srv/store.db"
        (tmp_path / "master").write_text("tidegate: {store: /srv/from-file.db}\n")
        assert location.location().database == "/srv/from-file.db"

    def test_the_environment_comes_before_it_and_the_option_before_both(self, monkeypatch):
        monkeypatch.setenv("TIDEGATE_STORE", "/srv/environment.db")
        opts = {"tidegate": {"store": "/srv/store.db"}}
        assert location.location(opts=opts).database == "/srv/environment.db"
        assert location.location("/srv/option.db", opts).database == "/srv/option.db"

    def test_a_path_is_made_absolute(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        assert location.location("store.db").database == f"{tmp_path}/store.db"

    @pytest.mark.parametrize("url", ["postgresql://db/x", "postgres://db/x", "postgresql+psycopg2://db/x"])
    def test_postgresql_has_one_driver(self, url):
        assert parse(url).drivername == "postgresql+psycopg"

    @pytest.mark.parametrize(
        "url", ["mysql://db/x", "sqlite://", "sqlite:///:memory:", "nonsense://", "postgres//:x://y"]
    )
    def test_anything_else_is_refused(self, url):
        with pytest.raises(StoreError, match="expected a path"):
            parse(url)
