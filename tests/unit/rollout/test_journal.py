"""The journal: what people ask and what the engine did, in one order, with the assignments that follow from it."""

import json
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timezone

import pytest
import small_disk
from briefs import AMS, IAD, LHR, LHR2, brief
from drafts import AMS1, LHR1, draft
from sqlalchemy import text

from tidegate.release.assignments import Assignments
from tidegate.release.errors import NoSuchRelease, Overtaken, StoreError
from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout.brief import Breaker, Brief, Floor, Pace
from tidegate.rollout.event import ASKED, Event
from tidegate.rollout.journal import BY_START, Finished, Journal, NoSuchRollout, Overlap
from tidegate.rollout.lease import Fenced, Leases

END = Event("finished", {"status": "completed", "reason": ""})


def added(store, *changes):
    return store.add(draft(*changes), who="alice", newest=store.newest())[0]


@pytest.fixture
def release(store):
    return added(store)


@pytest.fixture
def journal(store):
    return Journal(store)


@pytest.fixture
def epoch(store):
    return Leases(store).acquire("master1", 30).epoch


def test_a_rollout_comes_back_as_it_was_started(journal, release):
    wanted = brief(
        release,
        (AMS,),
        (LHR, LHR2),
        unchanged=(IAD,),
        withdraws={LHR: 2},
        floors=(Floor("web", 1, (AMS, LHR)),),
        gates={"health": {"kind": "health"}},
        breaker=Breaker(3, 60.0),
        pace=Pace(slice=7),
        freezes=({"name": "xmas", "from": "2026-12-20T00:00:00Z"},),
        notify=({"webhook": "https://hooks.example.net/é", "on": ["stopped"]},),
    )
    number = journal.start(wanted, "alice", "second transit")
    assert number == 1
    assert Brief.of(json.loads(json.dumps(journal.brief(number).as_dict()))) == journal.brief(number) == wanted
    found = journal.rollout(number)
    assert (found.number, found.release, found.who, found.why) == (1, release.id, "alice", "second transit")
    assert (found.finished_at, found.status, found.supersedes) == (None, None, None)
    assert found.created_at.tzinfo is timezone.utc
    (started,) = journal.events(number)
    assert (started.seq, started.kind, started.body, started.who, started.why) == (
        1,
        "started",
        {},
        "alice",
        "second transit",
    )


def test_rollouts_are_listed_newest_first(journal, release, epoch):
    numbers = [journal.start(brief(release, (host,)), "alice", "") for host in (AMS, IAD, LHR)]
    journal.record(numbers[1], [END], {}, epoch)
    assert [rollout.number for rollout in journal.rollouts()] == numbers[::-1]
    assert [rollout.number for rollout in journal.rollouts(most=2)] == numbers[:0:-1]
    assert [rollout.number for rollout in journal.rollouts(active=True)] == [3, 1]
    assert journal.rollouts(active=True)[0].as_dict()["finished_at"] is None


def test_events_keep_their_order_and_are_read_from_where_one_was(journal, release, epoch):
    number = journal.start(brief(release, (AMS,)), "alice", "")
    written = journal.record(number, [Event("checked", {"problems": {}}), Event("wave", {"wave": "wave1"})], {}, epoch)
    asked = journal.ask(number, Event("paused", {}, who="bob", why="ünsure"))
    assert [event.seq for event in [*written, asked]] == [2, 3, 4]
    assert journal.events(number)[1:] == [*written, asked]
    assert journal.events(number, after=3) == [asked]
    assert journal.events(number, after=4) == journal.events(7) == []
    assert asked.at.tzinfo is timezone.utc


@pytest.mark.parametrize("kind", sorted({"wave", "finished", "nonsense", *BY_START}))
def test_people_write_only_what_people_ask(journal, release, kind):
    number = journal.start(brief(release, (AMS,)), "alice", "")
    with pytest.raises(ValueError, match="not what people ask"):
        journal.ask(number, Event(kind))
    assert len(journal.events(number)) == 1


def test_people_ask_everything_else(journal, release):
    number = journal.start(brief(release, (AMS,)), "alice", "")
    for kind in sorted(ASKED - BY_START):
        journal.ask(number, Event(kind, {}, who="bob"))
    assert len(journal.events(number)) == 1 + len(ASKED - BY_START)


def test_assignments_follow_in_the_same_transaction(store, journal, release, epoch):
    other = added(store, LHR1)
    number = journal.start(brief(release, (AMS, LHR)), "alice", "")
    journal.record(number, [Event("wave", {"wave": "wave1"})], {AMS: release.id, LHR: release.id}, epoch)
    assert Assignments(store).all() == {AMS: release.id, LHR: release.id}
    journal.record(number, [], {AMS: other.id, LHR: None, IAD: None}, epoch)
    assert Assignments(store).all() == {AMS: other.id}
    assert Assignments(store).release_of(AMS) == other.id
    assert Assignments(store).release_of(LHR) is None
    with pytest.raises(NoSuchRelease):
        journal.record(number, [Event("promoted", {"wave": "wave1"})], {LHR: release.id, IAD: "f" * 64}, epoch)
    assert Assignments(store).all() == {AMS: other.id}
    assert [event.kind for event in journal.events(number)] == ["started", "wave"]


def test_superseding_gives_hosts_back_on_which_a_change_is_under_way(store, journal, release, epoch):
    before, newer = added(store, LHR1), added(store, AMS1)
    had = {AMS: before.id, LHR: None}
    number = journal.start(brief(before, (AMS,)), "alice", "")
    journal.record(number, [END], {AMS: before.id}, epoch)
    first = journal.start(brief(release, (AMS, LHR), before=had), "alice", "")
    job = Event("job", {"jid": "1", "act": "apply", "hosts": [AMS, LHR], "wave": "wave1"})
    journal.record(first, [job], {AMS: release.id, LHR: release.id}, epoch)
    assert journal.given_back(first) == had
    with pytest.raises(Overtaken):
        journal.start(brief(newer, (AMS,), before={AMS: release.id}), "bob", "", supersedes=first)
    assert Assignments(store).all() == {AMS: release.id, LHR: release.id}, "what is refused changes nothing"
    journal.start(brief(newer, (AMS,), before={AMS: before.id}), "bob", "", supersedes=first)
    assert Assignments(store).all() == {AMS: before.id}


def test_there_are_assignments_or_there_are_none(store, journal, release, epoch):
    assert not Assignments(store).any()
    number = journal.start(brief(release, (AMS,)), "alice", "")
    journal.record(number, [], {AMS: release.id}, epoch)
    assert Assignments(store).any()


def test_an_end_is_the_end(store, journal, release, epoch):
    number = journal.start(brief(release, (AMS,)), "alice", "")
    journal.record(number, [Event("promoted", {"wave": "wave1"}), END], {IAD: release.id}, epoch)
    found = journal.rollout(number)
    assert found.status == "completed"
    assert found.finished_at >= found.created_at
    with pytest.raises(Finished, match=r"Rollout 1 has ended \(completed\)"):
        journal.ask(number, Event("paused", {}))
    with pytest.raises(Finished):
        journal.record(number, [END], {}, epoch)


def test_a_rollout_that_there_is_not(journal, epoch):
    for ask in (
        lambda: journal.rollout(7),
        lambda: journal.brief(7),
        lambda: journal.ask(7, Event("paused", {})),
        lambda: journal.record(7, [END], {}, epoch),
    ):
        with pytest.raises(NoSuchRollout, match="no rollout 7"):
            ask()


class TestStart:
    """What a rollout needs to begin."""

    def test_a_release(self, journal, release):
        with pytest.raises(NoSuchRelease, match="no release ffffffffffff to roll out"):
            journal.start(replace(brief(release, (AMS,)), release="f" * 64), "alice", "")
        assert journal.start(brief(release, (AMS,)), "alice", "") == 1

    @pytest.mark.parametrize("second", [((LHR,), (AMS,)), ((IAD,),)])
    def test_hosts_that_no_other_has(self, journal, release, second):
        journal.start(brief(release, (AMS, LHR2), unchanged=(IAD,)), "alice", "")
        with pytest.raises(Overlap, match="Rollout 1 has edge1") as refused:
            journal.start(brief(release, *second), "bob", "")
        assert refused.value.rollout == 1
        assert refused.value.hosts == second[-1]
        assert len(journal.rollouts()) == 1
        assert journal.start(brief(release, (LHR,)), "bob", "") == 2

    def test_the_hosts_of_one_that_has_ended_are_free(self, journal, release, epoch):
        first = journal.start(brief(release, (AMS,)), "alice", "")
        journal.record(first, [END], {}, epoch)
        assert journal.start(brief(release, (AMS,)), "bob", "") == 2

    def test_assignments_as_they_were_when_it_was_planned(self, store, journal, release, epoch):
        number = journal.start(brief(release, (AMS,)), "alice", "")
        journal.record(number, [END], {AMS: release.id}, epoch)
        for stale in (brief(release, (AMS,)), brief(release, (IAD,), before={IAD: release.id})):
            with pytest.raises(Overtaken, match="plan it again"):
                journal.start(stale, "bob", "")
        assert journal.start(brief(added(store, AMS1), (AMS,), before={AMS: release.id}), "bob", "") == 2

    def test_superseding_tells_the_other(self, journal, release, epoch):
        first = journal.start(brief(release, (AMS, LHR)), "alice", "")
        second = journal.start(brief(release, (AMS,)), "bob", "urgent", supersedes=first)
        last = journal.events(first)[-1]
        assert (last.kind, last.body, last.who, last.why) == ("superseded", {"by": second}, "bob", "urgent")
        assert journal.rollout(second).supersedes == first
        assert journal.rollout(first).status == "superseded"
        with pytest.raises(Finished):
            journal.record(first, [Event("promoted", {"wave": "wave1"})], {}, epoch)

    def test_only_what_is_there_and_has_not_ended_is_superseded(self, journal, release, epoch):
        first = journal.start(brief(release, (AMS,)), "alice", "")
        journal.record(first, [END], {}, epoch)
        with pytest.raises(Finished):
            journal.start(brief(release, (AMS,)), "bob", "", supersedes=first)
        with pytest.raises(NoSuchRollout):
            journal.start(brief(release, (AMS,)), "bob", "", supersedes=9)

    def test_of_two_at_once_one_begins(self, url, store, release):
        barrier, outcomes = threading.Barrier(2), []

        def start():
            with closing(Store(parse(url))) as own:
                barrier.wait()
                try:
                    outcomes.append(Journal(own).start(brief(release, (AMS,)), "alice", ""))
                except Overlap:
                    outcomes.append("refused")

        threads = [threading.Thread(target=start) for _ in range(2)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert sorted(outcomes, key=str) == [1, "refused"]


class TestFencing:
    """Only who has the lease writes."""

    def test_an_engine_that_lost_the_lease_writes_nothing(self, store, journal, release, epoch):
        number = journal.start(brief(release, (AMS,)), "alice", "")
        later = Leases(store).acquire("master1", 30)
        with pytest.raises(Fenced, match=r"The engine master1 has taken over"):
            journal.record(number, [Event("wave", {"wave": "wave1"})], {AMS: release.id}, epoch)
        assert len(journal.events(number)) == 1
        assert not Assignments(store).any()
        journal.record(number, [Event("wave", {"wave": "wave1"})], {}, later.epoch)

    @pytest.mark.parametrize("wrong", [0, -1, 2**40])
    def test_an_epoch_that_nobody_has_writes_nothing(self, journal, release, epoch, wrong):
        number = journal.start(brief(release, (AMS,)), "alice", "")
        with pytest.raises(Fenced):
            journal.record(number, [END], {}, wrong)

    def test_without_any_lease_nothing_is_written(self, journal, release):
        number = journal.start(brief(release, (AMS,)), "alice", "")
        with pytest.raises(Fenced, match="restored or replaced"):
            journal.record(number, [END], {}, 1)

    def test_a_lease_that_ended_but_that_nobody_took_still_writes(self, store, journal, release):
        lease = Leases(store).acquire("master1", 0)
        number = journal.start(brief(release, (AMS,)), "alice", "")
        assert Leases(store).current() is None
        journal.record(number, [END], {}, lease.epoch)


ASKING = """
import sys
from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout.event import Event
from tidegate.rollout.journal import Journal
journal = Journal(Store(parse(sys.argv[1])))
for turn in range(25):
    journal.ask(1, Event("paused" if turn % 2 else "resumed", {}, who=sys.argv[2]))
"""


def test_processes_that_write_at_once_lose_nothing(url, store, journal, release, epoch):
    number = journal.start(brief(release, (AMS,)), "alice", "")
    people = [subprocess.Popen([sys.executable, "-c", ASKING, url, name]) for name in ("bob", "carol")]
    for turn in range(25):
        journal.record(number, [Event("waiting", {"reason": str(turn)})] * 2, {AMS: release.id}, epoch)
    assert [person.wait(60) for person in people] == [0, 0]
    events = journal.events(number)
    assert [event.seq for event in events] == list(range(1, 102))
    assert [event.body["reason"] for event in events if event.kind == "waiting"][::2] == list(map(str, range(25)))
    assert sum(event.who == "bob" for event in events) == sum(event.who == "carol" for event in events) == 25


KILLED = """
import os, sys
from tidegate.release import assignments
from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout.event import Event
from tidegate.rollout.journal import Journal
assignments.assign = lambda *_: os.kill(os.getpid(), 9)
Journal(Store(parse(sys.argv[1]))).record(1, [Event("wave", {"wave": "wave1"})], {"edge1.ams1": "x"}, int(sys.argv[2]))
"""


def test_an_engine_killed_in_mid_write_leaves_nothing(url, store, journal, release, epoch):
    number = journal.start(brief(release, (AMS,)), "alice", "")
    program = [sys.executable, "-c", KILLED, url, str(epoch)]
    assert subprocess.run(program, check=False).returncode == -9
    assert len(journal.events(number)) == 1
    journal.record(number, [Event("wave", {"wave": "wave1"})], {}, epoch)
    assert len(journal.events(number)) == 2


def test_a_file_that_is_away_for_a_while_and_comes_back(tmp_path):
    path = tmp_path / "store.db"
    store = Store(parse(str(path)), create=True)
    number = Journal(store).start(brief(added(store), (AMS,)), "alice", "")
    path.rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(StoreError, match=r"is gone: put the file back"):
            Journal(store).events(number)
        with pytest.raises(StoreError, match="is gone"):
            Journal(store).ask(number, Event("paused", {}))
    (tmp_path / "away").rename(path)
    Journal(store).ask(number, Event("paused", {}))
    assert len(Journal(store).events(number)) == 2


def test_a_server_that_restarts(server):
    server.run("createdb", "restarted")
    store = Store(parse(server.url("restarted")), create=True)
    journal = Journal(store)
    number = journal.start(brief(added(store), (AMS,)), "alice", "")
    broken = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'restarted'"
    server.run("psql", "-d", "postgres", "-c", broken)
    assert len(journal.events(number)) == 1, "a connection that broke while nobody used it goes unnoticed"
    with pytest.raises(StoreError), store.database.writing() as connection:
        server.run("psql", "-d", "postgres", "-c", broken)
        connection.execute(text("SELECT 1"))
    journal.ask(number, Event("paused", {}))
    assert len(journal.events(number)) == 2


def test_a_full_disk_is_one_sentence_and_half_of_nothing(small):
    store = Store(parse(str(small / "store.db")), create=True)
    release, journal = added(store), Journal(store)
    number = journal.start(brief(release, (AMS,)), "alice", "")
    epoch = Leases(store).acquire("master1", 30).epoch
    small_disk.fill(small / "filling")
    big = [Event("judged", {"wave": "wave1", "verdicts": ["x" * 500_000]})] * 3
    with pytest.raises(StoreError, match="cannot be used: database or disk is full"):
        journal.record(number, big, {AMS: release.id}, epoch)
    assert len(journal.events(number)) == 1
    assert not Assignments(store).any()
    (small / "filling").unlink()
    journal.record(number, big[:1], {AMS: release.id}, epoch)
    assert len(journal.events(number)) == 2
    assert Assignments(store).any()
