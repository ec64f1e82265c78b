"""The engine is killed at every point of a whole rollout, one after another: the outcome is always the same."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from imitated import Killed, Peril, PerilousFleet, Scene, perilous

from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout.brief import Pace
from tidegate.rollout.journal import Journal

WAVES = {"canary": ["a1"], "all": ["b1", "b2"]}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A store with two releases, to be copied: making one takes longer than a rollout."""
    path = tmp_path_factory.mktemp("prepared") / "store.db"
    with closing(Store(parse(str(path)), create=True)) as store:
        Scene(store, WAVES)
        with store.database.writing() as connection:
            connection.exec_driver_sql("SELECT 1")
    return path


class Once:
    """One rollout in a copy of the store, in which the engine is killed at one point."""

    def __init__(self, prepared, folder, at, gate=None, **settings):
        for file in prepared.parent.iterdir():
            shutil.copy(file, folder / file.name)
        self.peril = Peril(at)
        self.killed = False
        with closing(Store(parse(str(folder / "store.db")))) as store:
            self.scene = Scene(store, WAVES)
            if gate:
                self.scene.gates.outcome = gate
            self.scene.begin(pace=Pace(slice=1, in_flight=2), **settings)
            self.status = self._go_on()
            self.kinds = self.scene.kinds()
            self.events = self.scene.journal.events(self.scene.number)
            self.changes = {name: host.changes for name, host in self.scene.world.hosts.items()}
            self.scene.everybody_has(self.scene.new if self.status == "completed" else self.scene.old)

    def _go_on(self):
        with perilous(self.scene.store, self.peril):
            self.scene.world.store = Store(parse(str(self.scene.store.database.path)))
            try:
                return self._engine()
            except Killed:
                self.killed = True
                return self._engine()
            finally:
                self.scene.world.store.close()

    def _engine(self):
        driver = self.scene.engine(fleet=PerilousFleet(self.scene.world, self.peril))
        for _ in range(2000):
            if not driver.step():
                self.scene.world.wait(1.0)
            if not driver.courses and self.scene.world.publications:
                return self._status()
        raise AssertionError("it did not end")

    def _status(self):
        with closing(Store(parse(str(self.scene.store.database.path)))) as store:
            return Journal(store).rollout(self.scene.number).status


def everywhere(prepared, tmp_path, status, check, **settings):
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    whole = Once(prepared, folder, None, **settings)
    assert whole.status == status
    points = whole.peril.count
    assert points > 100
    for at in range(1, points + 1):
        folder = tmp_path / str(at)
        folder.mkdir()
        once = Once(prepared, folder, at, **settings)
        where = once.peril.where[at - 1]
        assert once.killed, where
        assert once.status == status, (at, where)
        check(once, (at, where))
        shutil.rmtree(folder)


def test_killed_anywhere_in_a_good_rollout(prepared, tmp_path):
    """Every host changes exactly once, in the order of the waves."""

    def check(once, where):
        assert all(len(changes) == (name != "z1") for name, changes in once.changes.items()), where
        marks = [event.kind for event in once.events if event.kind in ("checked", "wave", "promoted", "finished")]
        assert marks == ["checked", "wave", "promoted", "wave", "promoted", "finished"], where
        applied = [event for event in once.events if event.kind == "job" and event.body["act"] == "apply"]
        assert sorted(host for event in applied for host in event.body["hosts"]) == ["a1", "b1", "b2"], where

    everywhere(prepared, tmp_path, "completed", check)


def test_killed_anywhere_in_a_rollout_that_goes_back(prepared, tmp_path):
    """Every host goes there once and back once, whatever happens to the engine."""

    def check(once, where):
        for name, changes in once.changes.items():
            there_and_back = [once.scene.new_plans[name], once.scene.old_plans[name]] if name != "z1" else []
            assert changes == there_and_back, (name, where)

    gate = lambda context: "fail" if "b1" in context.hosts else "pass"  # noqa: E731
    everywhere(prepared, tmp_path, "rolled-back", check, gate=gate, on_failure="all")


PROGRAM = """
    import os, sys
    sys.path[:0] = [{here!r}, {utils!r}]
    from imitated import Peril, Scene, Killed, PerilousFleet
    from tidegate.release.location import parse
    from tidegate.release.store import Store
    import imitated

    class Deadly(Peril):
        def point(self, name):
            try:
                super().point(name)
            except Killed:
                os.kill(os.getpid(), 9)

    store = Store(parse({store!r}))
    scene = Scene(store, {waves!r})
    scene.number = 1
    with imitated.perilous(store, Deadly({at})):
        scene.run(scene.engine())
"""


@pytest.mark.parametrize("at", [15, 40, 70])
def test_a_process_that_is_killed_leaves_a_store_that_goes_on(prepared, tmp_path, at):
    """With a signal that nobody can catch, in the midst of a transaction of SQLite's."""
    for file in prepared.parent.iterdir():
        shutil.copy(file, tmp_path / file.name)
    path = str(tmp_path / "store.db")
    with closing(Store(parse(path))) as store:
        scene = Scene(store, WAVES)
        scene.begin()
        here = Path(__file__).parent
        program = textwrap.dedent(PROGRAM).format(
            here=str(here), utils=str(here.parents[2] / "_utils"), store=path, waves=WAVES, at=at
        )
        ended = subprocess.run(
            [sys.executable, "-c", program], check=False, capture_output=True, text=True, env=dict(os.environ)
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        # The hosts that it changed are not these: so they may be late or unknown, but the journal is whole.
        assert scene.journal.events(scene.number)
        assert scene.run(scene.engine(), "stopped") in ("completed", "stopped")
