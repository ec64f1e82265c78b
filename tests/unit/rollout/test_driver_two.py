"""Two engines, one store: never do both act, whenever one of them sleeps and wakes up again."""

import time
from contextlib import closing

import pytest
from imitated import PerilousFleet, Scene, perilous

from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout.brief import Pace
from tidegate.rollout.driver import Driver
from tidegate.rollout.journal import Journal
from tidegate.rollout.lease import Leases

WAVES = {"canary": ["a1"], "all": ["b1", "b2"]}


@pytest.fixture
def scene(store):
    return Scene(store, WAVES)


def engine(scene, name, seconds=30.0):
    return Driver(scene.store, scene.world, scene.gates, scene.clock, name, lease=seconds, threads=False)


def test_one_drives_and_the_other_waits(scene):
    scene.begin()
    one, two = engine(scene, "one"), engine(scene, "two")
    for _ in range(200):
        written = one.step()
        assert not two.step()
        assert two.lease is None
        assert not two.courses
        if not written:
            scene.world.wait(1.0)
    assert scene.journal.rollout(scene.number).status == "completed"
    assert all(len(scene.world.hosts[host].changes) == 1 for host in scene.hosts)


def test_the_other_takes_over_when_one_dies_and_one_that_wakes_up_waits(scene):
    scene.begin()
    one, two = engine(scene, "one", 0.5), engine(scene, "two", 0.5)
    for _ in range(8):
        if not one.step():
            scene.world.wait(1.0)
    assert scene.world.publications
    time.sleep(0.6)
    assert scene.run(two) == "completed"
    scene.everybody_has(scene.new)
    assert all(len(scene.world.hosts[host].changes) == 1 for host in scene.hosts)
    published, events = len(scene.world.publications), scene.kinds()
    assert not one.step()
    assert (len(scene.world.publications), scene.kinds()) == (published, events)
    assert one.lease is None or one.lease.epoch > two.lease.epoch


def test_one_that_ends_hands_over_at_once(scene):
    one, two = engine(scene, "one", 3600), engine(scene, "two", 3600)
    one.step()
    two.step()
    assert two.lease is None
    one.end()
    one.run()
    two.step()
    assert two.lease is not None


def test_the_same_one_after_a_restart_does_not_wait(scene):
    one, again = engine(scene, "one", 3600), engine(scene, "one", 3600)
    one.step()
    again.step()
    assert again.lease.epoch > one.lease.epoch
    scene.begin()
    scene.clock.sleep(3600)
    for _ in range(3):
        assert not one.step()
        assert one.lease is None


def test_a_store_that_was_restored_fences_who_drove_before(scene):
    scene.begin()
    one = engine(scene, "one")
    one.step()
    with scene.store.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM lease")
    for _ in range(3):
        one.step()
    assert one.lease is not None
    assert scene.run(one) == "completed"


class Sleeper:
    """At one point of an engine's way another engine takes over, and drives to the end; then the first wakes up."""

    def __init__(self, scene, path, at, forgetful):
        self.scene, self.path, self.at, self.forgetful = scene, path, at, forgetful
        self.count, self.slept, self.needed = 0, "", 1000

    def point(self, name):
        # In the midst of a transaction nobody else can write: the other one would wait.
        if name in ("before the commit", "before a read"):
            return
        self.count += 1
        if self.count == self.at:
            self.slept = name
            self._takes_over()

    def _takes_over(self):
        with closing(Store(parse(self.path))) as store:
            leases, scene = Leases(store), self.scene
            held = leases.current()
            if held:
                leases.give_up(held)
            if self.forgetful:
                for host in scene.world.hosts.values():
                    host.seen.clear()
            other = Driver(store, scene.world, scene.gates, scene.clock, "two", threads=False)
            if Journal(store).rollout(scene.number).finished_at:
                # It was over when the first fell asleep: there is no more to be seen.
                self.needed = 0
                return
            was, scene.world.store = scene.world.store, store
            for _ in range(400):
                if not other.step():
                    scene.world.wait(1.0)
                if not other.courses and Journal(store).rollout(scene.number).finished_at:
                    break
            scene.world.store = was
            if self.forgetful:
                for host in scene.world.hosts.values():
                    host.seen.clear()


@pytest.mark.parametrize("forgetful", [False, True], ids=["hosts remember jobs", "hosts forget jobs"])
def test_one_that_sleeps_anywhere_does_no_harm_when_it_wakes_up(tmp_path, forgetful):
    """Not even where hosts run a job of the same id twice: they have seen a higher fence since."""
    for at in range(1, 1000):
        path = str(tmp_path / f"{at}.db")
        with closing(Store(parse(path), create=True)) as store, closing(Store(parse(path))) as hosts_store:
            scene = Scene(store, WAVES)
            scene.begin(pace=Pace(slice=2))
            scene.world.store = hosts_store
            sleeper = Sleeper(scene, path, at, forgetful)
            with perilous(store, sleeper):
                fleet = PerilousFleet(scene.world, sleeper)
                one = Driver(store, fleet, scene.gates, scene.clock, "one", threads=False)
                for _ in range(60):
                    if not one.step():
                        scene.world.wait(1.0)
            scene.world.pass_time()
            scene.everybody_has(scene.new)
            changes = {host: len(scene.world.hosts[host].changes) for host in scene.hosts}
            assert set(changes.values()) == {1}, (at, sleeper.slept, changes)
            assert scene.kinds().count("finished") == 1, (at, sleeper.slept)
            if not sleeper.slept or at > sleeper.needed:
                break
    assert at > 40
