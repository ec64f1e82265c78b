"""The engine under a real master: it is started, finds a rollout, and is there again after the master was killed."""

import signal
from contextlib import closing

import pytest
import real_salt
from imitated import releases
from play import brief

from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout.journal import Journal
from tidegate.rollout.lease import Leases

pytestmark = pytest.mark.skipif(real_salt.missing() is not None, reason=str(real_salt.missing()))


@pytest.fixture
def salt(tmp_path):
    store = str(tmp_path / "store.db")
    config = {"engines": [{"tidegate": {"interval": 0.2}}], "tidegate": {"store": store}, "id": "master1"}
    with real_salt.running(minions=(), **config) as running:
        running.store = store
        yield running


def test_it_runs_under_the_master_and_survives_it(salt):
    with closing(Store(parse(salt.store), create=True)) as store:
        leases, journal = Leases(store), Journal(store)
        real_salt.until(leases.current, "the engine's lease")
        first = leases.current()
        assert first.holder.startswith("master1@")
        hosts = ["a1", "b1"]
        old, new = releases(store, hosts)
        told = brief({"canary": hosts}, release=new, before=dict.fromkeys(hosts, old), unchanged=())
        number = journal.start(told, "ann", "because")
        # Nobody is there: the look before the start finds that, and changes nothing.
        salt.stop("master", signal.SIGKILL)
        salt.start_master()
        real_salt.until(lambda: (leases.current() or first).epoch > first.epoch, "the engine after the restart")
        real_salt.until(lambda: "checked" in [e.kind for e in journal.events(number)], "the look", 120)
        (checked,) = [event for event in journal.events(number) if event.kind == "checked"]
        assert set(checked.body["problems"]) == set(hosts)
        salt.stop("master", signal.SIGTERM)
