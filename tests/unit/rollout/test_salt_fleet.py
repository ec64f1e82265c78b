"""The fleet behind a real master with real minions."""

import signal
import time

import pytest
import real_salt

from tidegate.host.errors import Failed, Refused
from tidegate.rollout.salt_fleet import SaltFleet

pytestmark = pytest.mark.skipif(real_salt.missing() is not None, reason=str(real_salt.missing()))


@pytest.fixture(scope="module")
def salt():
    with real_salt.running() as running:
        yield running


@pytest.fixture
def fleet(salt):
    made = SaltFleet(salt.opts)
    yield made
    made.close()


def test_asks_hosts_and_leaves_out_who_is_silent(fleet):
    begin = time.monotonic()
    assert fleet.ask("test.echo", ["edge1", "edge2", "nobody"], {"text": "tide"}, 3.0) == {
        "edge1": "tide",
        "edge2": "tide",
    }
    assert time.monotonic() - begin < 6


def test_answers_come_as_soon_as_all_are_there(fleet):
    fleet.ask("test.ping", ["edge1"], {}, 10)
    begin = time.monotonic()
    assert fleet.ask("test.ping", ["edge1", "edge2"], {}, 20) == {"edge1": True, "edge2": True}
    assert time.monotonic() - begin < 2.5


def test_a_job_reaches_exactly_its_hosts_once(fleet):
    jid = fleet.jid()
    assert not fleet.published(jid)
    assert fleet.returns(jid, ["edge1", "edge2"]) == {}
    fleet.publish(jid, "test.echo", ["edge1"], {"text": "first"})
    real_salt.until(lambda: fleet.returns(jid, ["edge1"]), "the return")
    assert fleet.published(jid)
    # The same id again, as after a restart: the minion has had it.
    fleet.publish(jid, "test.echo", ["edge1"], {"text": "second"})
    fleet.wait(1.0)
    assert fleet.returns(jid, ["edge1", "edge2"])["edge1"]["return"] == "first"
    assert "edge2" not in fleet.returns(jid, ["edge1", "edge2"])


def test_another_engine_finds_the_job(fleet, salt):
    jid = fleet.jid()
    fleet.publish(jid, "test.ping", ["edge2"], {})
    real_salt.until(lambda: fleet.returns(jid, ["edge2"]), "the return")
    other = SaltFleet(salt.opts)
    assert other.published(jid)
    assert other.returns(jid, ["edge1", "edge2"])["edge2"] == {"return": True, "retcode": 0, "success": True}


def test_other_returners_answer_the_same(fleet, salt):
    """Without knowing the returner's files: what a cache in a database would be asked."""
    jid = fleet.jid()
    fleet.publish(jid, "test.ping", ["edge1"], {})
    real_salt.until(lambda: fleet.returns(jid, ["edge1"]), "the return")
    other = SaltFleet(salt.opts)
    other._cache._from_files = None
    other._cache._name = "local_cache"
    from tidegate.rollout import salt_cache

    was, salt_cache.LOCAL = salt_cache.LOCAL, "elsewhere"
    try:
        assert other.published(jid)
        assert not other.published(fleet.jid())
        assert other.returns(jid, ["edge1", "edge2"])["edge1"]["return"] is True
    finally:
        salt_cache.LOCAL = was


def test_running_tells_who_is_at_it_who_is_not_and_who_is_silent(fleet):
    jid = fleet.jid()
    fleet.publish(jid, "test.sleep", ["edge1"], {"length": 8})
    time.sleep(1)
    assert fleet.running(jid, ["edge1", "edge2", "nobody"], 4) == {"edge1": True, "edge2": False}


def test_a_return_wakes(fleet):
    fleet.wait(0.5)
    jid = fleet.jid()
    fleet.publish(jid, "test.ping", ["edge1"], {})
    begin = time.monotonic()
    fleet.wait(20)
    assert time.monotonic() - begin < 5
    real_salt.until(lambda: fleet.returns(jid, ["edge1"]), "the return", 2)


def test_hosts_unknown_to_the_master_are_just_silent(fleet):
    jid = fleet.jid()
    fleet.publish(jid, "test.ping", ["nobody"], {})
    assert fleet.published(jid)
    assert fleet.returns(jid, ["nobody"]) == {}


@pytest.mark.parametrize("host", ["../../etc", "a/b", "", "a\0b", None, ".."])
def test_names_that_are_paths_are_refused(fleet, host):
    with pytest.raises(Refused):
        fleet.publish(fleet.jid(), "test.ping", [host], {})


@pytest.mark.parametrize("jid", ["..", "../../x", "2026", "", None, "20261123185236123456_../x"])
def test_ids_that_are_paths_are_refused(fleet, jid):
    for call in (fleet.published, lambda jid: fleet.returns(jid, ["edge1"])):
        with pytest.raises(Refused):
            call(jid)


def test_a_return_that_is_too_large_or_broken_is_no_success(fleet, salt, monkeypatch):
    jid = fleet.jid()
    fleet.publish(jid, "test.echo", ["edge1"], {"text": "x" * 10_000})
    real_salt.until(lambda: fleet.returns(jid, ["edge1"]), "the return")
    from tidegate.rollout import salt_cache

    monkeypatch.setattr(salt_cache, "LARGEST", 1000)
    told = fleet.returns(jid, ["edge1"])["edge1"]
    assert told["retcode"] == 255
    assert "too large" in told["return"]
    (fleet._cache._folder(jid) / "edge1" / "return.p").write_bytes(b"\xc1")
    assert fleet.returns(jid, ["edge1"])["edge1"]["retcode"] == 255


def test_a_master_that_keeps_no_returns_is_refused(salt):
    with pytest.raises(Refused, match="job_cache"):
        SaltFleet({**salt.opts, "job_cache": False})


def test_events_can_be_told(fleet, salt):
    from salt.utils.event import get_master_event

    with get_master_event(salt.opts, salt.opts["sock_dir"]) as bus:
        bus.connect_pub(timeout=5)
        fleet.tell("tidegate/rollout/12/started", {"release": "3f2a"})
        assert bus.get_event(wait=5, tag="tidegate/rollout/12/started")["release"] == "3f2a"


def test_a_master_that_is_away_comes_back(monkeypatch):
    """Publishing fails, telling is without effect, and the bus is found again."""
    monkeypatch.setattr("tidegate.rollout.salt_fleet.PUBLISHING", 3)
    with real_salt.running(minions=("edge1",)) as salt:
        fleet = SaltFleet(salt.opts)
        assert fleet.ask("test.ping", ["edge1"], {}, 20) == {"edge1": True}
        salt.stop("master", signal.SIGKILL)
        with pytest.raises(Failed):
            fleet.publish(fleet.jid(), "test.ping", ["edge1"], {})
        fleet.tell("tidegate/rollout/1/started", {})
        salt.start_master()
        real_salt.until(lambda: fleet.ask("test.ping", ["edge1"], {}, 5) == {"edge1": True}, "the minion")
        begin, seen = time.monotonic(), fleet._bus.count
        fleet.ask("test.ping", ["edge1"], {}, 20)
        assert time.monotonic() - begin < 5
        assert fleet._bus.count > seen
        fleet.close()
