"""The lease: one holder, a new epoch with every taking, whatever clocks do."""

import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout import lease as module
from tidegate.rollout.lease import Fenced, Leases

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def leases(store):
    return Leases(store)


@pytest.fixture
def clock(monkeypatch):
    """The store's clock, in hand."""
    return Clock(monkeypatch)


class Clock:
    def __init__(self, monkeypatch):
        self.now = NOON
        monkeypatch.setattr(module, "_now", lambda _connection: self.now)

    def goes(self, seconds):
        self.now += timedelta(seconds=seconds)


def test_one_holds_it(leases):
    lease = leases.acquire("master1", 30)
    assert leases.current() == lease
    assert leases.acquire("master2", 30) is None
    assert leases.current() == lease


def test_it_lasts_as_long_as_it_is_renewed(leases, clock):
    lease = leases.acquire("master1", 30)
    for _ in range(5):
        clock.goes(20)
        lease = leases.renew(lease)
        assert lease.until == clock.now + timedelta(seconds=30)
        assert leases.acquire("master2", 30) is None
    clock.goes(31)
    assert leases.current() is None
    other = leases.acquire("master2", 30)
    assert other.epoch > lease.epoch
    with pytest.raises(Fenced, match="The engine master2 has taken over"):
        leases.renew(lease)
    assert leases.current() == other


def test_one_that_ended_and_that_nobody_took_goes_on(leases, clock):
    lease = leases.acquire("master1", 30)
    clock.goes(1000)
    assert leases.renew(lease).epoch == lease.epoch
    assert leases.current().holder == "master1"


def test_the_same_holder_gets_it_again_at_once_with_a_new_epoch(leases):
    first = leases.acquire("master1", 30)
    second = leases.acquire("master1", 30)
    assert second.epoch > first.epoch
    with pytest.raises(Fenced):
        leases.renew(first)


def test_given_up_it_is_anybodys(leases):
    first = leases.acquire("master1", 30)
    leases.give_up(first)
    assert leases.current() is None
    second = leases.acquire("master2", 30)
    assert second.epoch > first.epoch
    leases.give_up(first)
    assert leases.current() == second, "it was not the first one's any more"


def test_nobody_holds_it_in_a_new_store(leases):
    assert leases.current() is None


def test_an_epoch_is_no_lower_than_the_time(leases, clock):
    """A store restored from a backup knows only old epochs; hosts have seen newer ones."""
    assert leases.acquire("master1", 30).epoch == int(NOON.timestamp())
    clock.goes(3600)
    assert leases.acquire("master1", 30).epoch == int(NOON.timestamp()) + 3600


def test_a_clock_set_back_does_not_hand_out_an_epoch_twice(leases, clock):
    first = leases.acquire("master1", 30)
    clock.goes(-86400)
    assert leases.acquire("master1", 30).epoch == first.epoch + 1


@pytest.mark.parametrize("jump", [-5, -29, -31, -86400, -10 * 365 * 86400])
def test_a_clock_set_back_locks_nobody_out_for_longer_than_twice_the_lease(leases, clock, jump):
    leases.acquire("master1", 30)
    clock.goes(jump)
    waited = 0
    while leases.acquire("master2", 30) is None:
        clock.goes(1)
        waited += 1
    assert waited <= 60


def test_a_clock_set_ahead_lets_another_in_and_fences_the_first(leases, clock):
    first = leases.acquire("master1", 30)
    clock.goes(86400)
    second = leases.acquire("master2", 30)
    clock.goes(-86400)
    with pytest.raises(Fenced):
        leases.renew(first)
    assert leases.renew(second).epoch == second.epoch
    assert leases.acquire("master1", 30) is None


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["acquire", "renew", "give_up"]), st.sampled_from(["a", "b", "c"])),
        st.tuples(st.just("clock"), st.integers(-100, 100)),
    ),
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(steps=steps)
def test_whatever_happens_epochs_only_rise_and_the_last_taker_alone_is_not_fenced(tmp_path_factory, steps):
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock(patch)
        leases = Leases(Store(parse(str(tmp_path_factory.mktemp("lease") / "store.db")), create=True))
        held, last = {}, None
        for act, what in steps:
            if act == "clock":
                clock.goes(what)
            elif act == "acquire":
                if (lease := leases.acquire(what, 30)) is not None:
                    assert last is None or lease.epoch > last.epoch
                    held[what] = last = lease
            elif what in held and act == "give_up":
                leases.give_up(held[what])
            elif what in held and held[what].epoch == last.epoch:
                assert leases.renew(held[what]).epoch == last.epoch
            elif what in held:
                with pytest.raises(Fenced):
                    leases.renew(held[what])


def test_postgresql_judges_by_its_own_clock(server, monkeypatch):
    server.run("createdb", "clock")
    leases = Leases(Store(parse(server.url("clock")), create=True))

    class Wrong(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(1999, 1, 1, tzinfo=tz)

    monkeypatch.setattr(module, "datetime", Wrong)
    lease = leases.acquire("master1", 30)
    assert abs(lease.epoch - time.time()) < 10
    assert leases.current() == lease


TAKING = """
import sys, time
from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout.lease import Fenced, Leases
leases, name = Leases(Store(parse(sys.argv[1]))), sys.argv[2]
deadline = time.monotonic() + 3
while time.monotonic() < deadline:
    lease = leases.acquire(name, 0.1)
    if lease:
        print(lease.epoch, flush=True)
        if lease.epoch % 2:
            time.sleep(0.15)
    time.sleep(0.01)
"""


def test_processes_that_want_it_never_have_one_epoch(url, store):
    program = [sys.executable, "-c", TAKING, url]
    racers = [subprocess.Popen([*program, name], stdout=subprocess.PIPE, text=True) for name in ("a", "b")]
    taken = [[int(line) for line in racer.communicate(timeout=60)[0].split()] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    assert all(taken)
    assert not set(taken[0]) & set(taken[1])
    assert all(sorted(epochs) == epochs for epochs in taken)
