"""What hosts are served: of the assigned release, with operations put to it, from the store or from what was kept."""

import json
import logging
import os
import sqlite3
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest
from briefs import AMS, IAD, LHR, LHR2, brief
from drafts import LHR1, draft
from sqlalchemy import text

from tidegate.host.plan import Plan
from tidegate.release import pillar as module
from tidegate.release.errors import Damaged, NoSuchHost, NotAssigned
from tidegate.release.last_good import LastGood
from tidegate.release.location import parse
from tidegate.release.operations import Operations
from tidegate.release.served import _LOOK_UP, _SOME, expected, served
from tidegate.release.store import Store
from tidegate.rollout.event import Event
from tidegate.rollout.journal import Journal
from tidegate.rollout.lease import Leases

NOW = datetime.now(timezone.utc)
HOSTS = (AMS, IAD, LHR, LHR2)
WITHDRAW = {"how": "withdraw"}


def added(store, *changes):
    return store.add(draft(*changes), who="alice", newest=store.newest())[0]


def assign(store, wanted):
    """Assign hosts as a rollout does."""
    journal = Journal(store)
    active = journal.rollouts(active=True)
    number = active[0].number if active else journal.start(brief(store.newest(), (AMS,)), "alice", "")
    journal.record(number, [Event("wave", {})], wanted, Leases(store).acquire("test", 30).epoch)


@pytest.fixture
def release(store):
    return added(store)


@pytest.fixture
def everywhere(store, release):
    """Every host is assigned to the release."""
    assign(store, dict.fromkeys(HOSTS, release.id))
    return release


def test_a_host_is_served_the_plan_of_its_release(store, everywhere):
    second = added(store, LHR1)
    assign(store, {LHR: second.id})
    for host, release in ((AMS, everywhere), (LHR, second)):
        found = served(store, host, NOW)
        assert found.release == release.id
        assert found.plan.document == store.plan(release.id, host).document
        assert found.operations == []


def test_a_release_that_nobody_rolled_out_is_served_to_nobody(store, release):
    with pytest.raises(NotAssigned, match=r"No release is assigned to edge1\.ams1 yet"):
        served(store, AMS, NOW)
    for stranger in ("stranger", "", "edge1.*", "x' OR 1=1 --"):
        with pytest.raises(NoSuchHost):
            served(store, stranger, NOW)


def test_operations_are_put_to_the_plan(store, everywhere):
    operations = Operations(store)
    drain = operations.add("drain", {"pop": "lhr1"}, WITHDRAW, who="alice", why="x", until=NOW + timedelta(hours=1))
    hold = operations.add("hold", {"host": AMS}, {}, who="alice", why="x")
    found = served(store, LHR, NOW)
    assert found.operations == [drain]
    assert found.plan.digest != store.plan(everywhere.id, LHR).digest
    assert all(not neighbor["export"] for neighbor in found.plan.bird["neighbors"])
    assert Plan.from_document(dict(found.plan.document), LHR)
    assert served(store, AMS, NOW).operations == [hold]
    assert served(store, AMS, NOW).plan.digest == store.plan(everywhere.id, AMS).digest
    assert served(store, LHR, NOW + timedelta(hours=2)).plan.digest == store.plan(everywhere.id, LHR).digest


def test_what_is_expected_is_what_will_be_served(store, everywhere):
    second = added(store, LHR1)
    Operations(store).add("hold", {"host": AMS}, {}, who="alice", why="x")
    assert expected(store, second.id, HOSTS, NOW) == store.digests(second)
    assert expected(store, second.id, [LHR, "stranger"], NOW) == {LHR: store.plan(second.id, LHR).digest}
    assert expected(store, second.id, [], NOW) == expected(store, "f" * 64, HOSTS, NOW) == {}
    Operations(store).add("drain", {"service": "web"}, WITHDRAW, who="alice", why="x")
    wanted = expected(store, second.id, HOSTS, NOW)
    assert wanted[LHR] != store.plan(second.id, LHR).digest
    assert wanted[IAD] == store.plan(second.id, IAD).digest, "it announces nothing"
    assign(store, dict.fromkeys(HOSTS, second.id))
    assert {host: served(store, host, NOW).plan.digest for host in HOSTS} == wanted


def test_a_damaged_plan_is_not_served(store, everywhere):
    with store.database.writing() as connection:
        connection.execute(text("UPDATE plan SET document = replace(document, '10.0.0.1', '10.0.0.7')"))
    with pytest.raises(Damaged):
        served(store, LHR, NOW)


def test_the_look_up_reads_no_table_from_end_to_end(tmp_path):
    store = Store(parse(f"{tmp_path}/store.db"), create=True)
    assign(store, {AMS: added(store).id})
    with store.database.reading() as connection:
        for query, scans in ((_LOOK_UP, 0), (_SOME, 1)):
            statement = str(query.compile(connection.engine))
            rows = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", ("x", 1, 0)[: statement.count("?")]
            ).all()
            steps = [row[-1] for row in rows]
            assert sum(step.startswith("SCAN") for step in steps) == scans, steps
            assert not any("SCAN release_plan" in step or "SCAN plan" in step for step in steps)


class TestExtPillar:
    """What the ext_pillar answers."""

    @pytest.fixture(autouse=True)
    def _nothing_said(self, monkeypatch):
        monkeypatch.delenv("TIDEGATE_STORE", raising=False)

    @pytest.fixture
    def opts(self, url, tmp_path):
        return {"cachedir": str(tmp_path / "cache"), "tidegate": {"store": url}}

    @pytest.fixture
    def ask(self, opts):
        return lambda host: module.answer(host, opts)

    def test_without_a_store_the_working_tree_answers(self, ask):
        assert ask(AMS) is None

    def test_without_any_assignment_the_working_tree_answers(self, ask, release):
        assert ask(AMS) is None

    def test_a_host_receives_the_plan_of_its_release(self, ask, everywhere, store):
        for host in HOSTS:
            assert ask(host) == {"traffic": store.plan(everywhere.id, host).document}

    def test_a_host_that_no_rollout_has_reached_is_refused_while_others_have(self, ask, store, release):
        assign(store, {AMS: release.id})
        assert ask(IAD) == {"traffic": {"refused": "No release is assigned to edge1.iad1 yet: a rollout does that."}}
        assert ask("stranger") == {}

    def test_all_taken_back_the_working_tree_answers_again(self, ask, store, release):
        assign(store, {AMS: release.id})
        assert ask(AMS)
        assign(store, {AMS: None})
        assert ask(AMS) is None
        assert ask(AMS) is None

    def test_an_adopted_host_is_told_to_leave_itself_alone(self, ask, store, everywhere):
        until = (NOW + timedelta(hours=1)).replace(microsecond=0)
        adopted = {"drift": "3f2a"}
        Operations(store).add("adopt", {"host": AMS}, adopted, who="bob", why="debugging", until=until)
        told = {"who": "bob", "why": "debugging", "until": until.isoformat()}
        assert ask(AMS)["traffic_operations"] == {"left_alone": told}
        assert "traffic_operations" not in ask(IAD)

    def test_it_is_kept_for_its_own_user_alone(self, ask, everywhere, tmp_path):
        ask(AMS)
        folder = tmp_path / "cache/tidegate/served"
        (file,) = folder.iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
        before = file.stat().st_ino
        os.utime(file, (0, 0))
        ask(AMS)
        assert file.stat().st_ino == before, "the same is not written again"
        assert time.time() - file.stat().st_mtime < 60, "but it is as young as the store's answer"

    def test_an_id_is_no_path(self, tmp_path):
        kept = LastGood(tmp_path / "served")
        kept.keep("../../evil", "f" * 64, {"traffic": {}})
        assert [file.parent for file in tmp_path.rglob("*.json")] == [tmp_path / "served"]

    @pytest.fixture
    def broken(self, ask, everywhere, store, url, tmp_path):
        """A master that has served two hosts, and a store that cannot be read any more; gives what was served."""
        answers = {host: ask(host) for host in (AMS, LHR)}
        if url.startswith("postgresql"):
            with store.database.writing() as connection:
                connection.execute(text("ALTER TABLE assignment RENAME TO gone"))
        else:
            store.close()
            (tmp_path / "state/store.db").rename(tmp_path / "gone.db")
        module._sources.clear()
        return answers

    def test_without_its_store_a_host_keeps_its_last_good_plan(self, ask, broken, caplog, tmp_path):
        for file in (tmp_path / "cache/tidegate/served").iterdir():
            os.utime(file, (time.time() - 3 * 3600,) * 2)
        with caplog.at_level(logging.WARNING):
            assert {host: ask(host) for host in broken} == broken
        assert "edge1.ams1 gets its last good plan, of release" in caplog.text
        assert "3 h old" in caplog.text

    def test_one_that_none_is_kept_for_is_refused(self, ask, broken):
        assert "no last good plan is kept" in ask(IAD)["traffic"]["refused"]

    @pytest.mark.parametrize("damage", ["", "{", '{"pillar": 1, "release": "x"}', "[]", None])
    def test_what_is_kept_is_not_believed_blindly(self, ask, broken, tmp_path, damage):
        for file in (tmp_path / "cache/tidegate/served").iterdir():
            whole = file.read_text()
            file.write_text(whole.replace('"10.0.0.', '"10.9.0.') if damage is None else damage)
        for host in broken:
            assert "no last good plan is kept" in ask(host)["traffic"]["refused"]

    def test_the_plan_of_another_host_is_not_believed(self, ask, broken, tmp_path):
        folder = tmp_path / "cache/tidegate/served"
        one, other = folder.iterdir()
        one.write_bytes(other.read_bytes())
        assert sum("refused" in ask(host)["traffic"] for host in broken) == 1

    def test_a_store_that_comes_back_is_asked_again(self, ask, broken, store, url, tmp_path):
        assert ask(AMS) == broken[AMS]
        if url.startswith("postgresql"):
            with store.database.writing() as connection:
                connection.execute(text("ALTER TABLE gone RENAME TO assignment"))
        else:
            (tmp_path / "gone.db").rename(tmp_path / "state/store.db")
        assert "a rollout does that" not in ask(IAD)["traffic"].get("refused", "")
        assert ask(IAD)["traffic"]["host"] == IAD

    def test_another_store_in_its_place_is_not_believed(self, ask, everywhere, store, opts, tmp_path, caplog):
        before = ask(AMS)
        other = f"{tmp_path}/other.db"
        with closing(Store(parse(other), create=True)) as empty:
            added(empty, LHR1)
        opts["tidegate"]["store"] = other
        assert ask(AMS) == before
        assert "is it another store?" in caplog.text

    def test_an_option_that_is_no_store_is_the_same_as_none(self, ask, everywhere, opts):
        before = ask(AMS)
        opts["tidegate"]["store"] = "mysql://db/x"
        assert ask(AMS) == before
        assert "refused" in ask(IAD)["traffic"]

    def test_a_plan_that_was_altered_in_the_store(self, ask, everywhere, store, caplog):
        before = ask(AMS)
        with store.database.writing() as connection:
            connection.execute(text("UPDATE plan SET document = replace(document, '10.0.0.3', '10.0.0.7')"))
        assert ask(AMS) == before
        assert "was altered" in caplog.text

    def test_a_drain_that_cannot_be_put_to_the_plan_refuses_rather_than_ignores(self, ask, everywhere, store):
        Operations(store).add("drain", {"pop": "ams1"}, WITHDRAW, who="alice", why="x")
        with store.database.writing() as connection:
            connection.execute(text("UPDATE operation SET settings = '{}'"))
        assert "refused" in ask(AMS)["traffic"]
        assert "refused" not in ask(LHR)["traffic"]

    def test_a_server_that_is_slow_to_fail_is_left_alone_for_a_while(self, ask, broken, monkeypatch):
        tried = []
        monkeypatch.setattr(module, "SLOW", -1.0)
        real = module.Store
        monkeypatch.setattr(module, "Store", lambda url: tried.append(url) or real(url))
        assert [ask(AMS), ask(AMS), ask(LHR)] == [broken[AMS], broken[AMS], broken[LHR]]
        assert len(tried) == 1

    def test_a_forked_process_has_a_connection_of_its_own(self, ask, everywhere):
        ask(AMS)
        child = os.fork()
        if child == 0:
            answer = ask(AMS)
            os._exit(0 if answer["traffic"]["host"] == AMS and len(module._sources) > 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert ask(AMS)["traffic"]["host"] == AMS

    def test_what_cannot_be_kept_is_served_all_the_same(self, ask, everywhere, store, tmp_path, caplog):
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache/tidegate").write_text("in the way")
        assert ask(AMS)["traffic"]["host"] == AMS
        assert "cannot be kept" in caplog.text

    def test_an_older_plan_does_not_come_back(self, ask, everywhere, store, tmp_path, monkeypatch):
        """The disk is full when a newer one is to be kept."""
        ask(LHR)
        second = added(store, LHR1)
        assign(store, {LHR: second.id})

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tidegate.host.durable.write", full)
        assert ask(LHR)["traffic"] == store.plan(second.id, LHR).document
        assert not list((tmp_path / "cache/tidegate/served").iterdir())

    def test_a_file_that_is_no_database(self, ask, everywhere, url, store, tmp_path):
        if url.startswith("postgresql"):
            pytest.skip("only SQLite is a file")
        before = ask(AMS)
        store.close()
        (tmp_path / "state/store.db").write_text("not a database, but long enough to look like one\n" * 100)
        module._sources.clear()
        assert ask(AMS) == before

    def test_a_page_that_is_damaged(self, ask, everywhere, url, store, tmp_path):
        if url.startswith("postgresql"):
            pytest.skip("only SQLite is a file")
        before = ask(AMS)
        store.close()
        module._sources.clear()
        path = tmp_path / "state/store.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'assignment'").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
        with path.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
        assert ask(AMS) == before
        assert json.dumps(ask(IAD)).count("malformed") == 1
