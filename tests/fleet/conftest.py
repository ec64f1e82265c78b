"""The fleet tests' lab: brought up once for all of them, removed whatever happens.

``TIDEGATE_LAB_KEEP=1`` leaves it running, and says how to look at it; ``TIDEGATE_LAB=NAME`` uses that lab, brings up
what is missing of it, and leaves it. A lab left behind by a test run that was killed is removed by the next one.
"""

import os
import re
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(Path(__file__).parent)]

from rollouts import Rollouts, lab_pillar, quick  # noqa: E402
from steady import SteadyFleet  # noqa: E402

from lab.engine import Engine, EngineError  # noqa: E402
from lab.fleet import Fleet  # noqa: E402


class Lab(Fleet):
    """The lab as scenarios speak of it."""

    def run(self, host, *command, timeout=120):
        """What a command prints on a host; the test fails if the command does."""
        done = self.exec(host, *command, timeout=timeout)
        assert done.returncode == 0, f"{host}: {' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def changed_policy(self, change):
        """For the length of a block the master serves a pillar that ``change(directory)`` has edited.

        The minions hear of it at their next highstate; what they run afterwards is the test's to put back.
        """
        served = (self.state / "pillar").resolve()
        with tempfile.TemporaryDirectory() as work:
            before, after = Path(work) / "before", Path(work) / "after"
            shutil.copytree(served, before)
            shutil.copytree(served, after)
            change(after)
            self.policy(after)
            try:
                yield
            finally:
                self.policy(before)

    @staticmethod
    def until(look, timeout=30, interval=0.25):
        """The first true answer of ``look()``; the test fails if there is none in time."""
        end = time.monotonic() + timeout
        while not (answer := look()):
            assert time.monotonic() < end, f"not within {timeout} s: {look.__doc__ or look.__name__}: {answer!r}"
            time.sleep(interval)
        return answer


def pytest_collection_modifyitems(items):
    """The bare lab first: its tests look at hosts that nobody has configured yet. Rollouts last: hosts that are
    assigned to a release no longer look at the working tree, which the other scenarios change."""
    here = Path(__file__).parent
    order = {"test_lab": 0, "test_rollout": 2, "test_rollout_faults": 2}
    items.sort(key=lambda item: order.get(item.path.stem, 1) if item.path.parent == here else 0)


@pytest.fixture(scope="session")
def lab(request):
    """A running lab of this test run's own."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root: it plugs cables between the containers' network namespaces")
    try:
        engine = Engine.find()
    except EngineError as error:
        pytest.skip(str(error))
    remove_orphans(engine)
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))
    theirs = os.environ.get("TIDEGATE_LAB")
    fleet = Lab(theirs or f"tg-test-{os.getpid()}", engine)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():
            print()
            fleet.up()
        yield fleet
    finally:
        if theirs or os.environ.get("TIDEGATE_LAB_KEEP"):
            with capture.global_and_fixture_disabled():
                print(f"\nkept: lab/lab --name {fleet.name} status")
        else:
            fleet.down()


def remove_orphans(engine):
    """Remove labs of test runs that no longer live."""
    for name in {container.lab for container in engine.containers()}:
        owner = re.fullmatch(r"tg-test-(\d+)", name)
        if owner and not Path("/proc", owner[1]).exists() and not os.environ.get("TIDEGATE_LAB_KEEP"):
            Fleet(name, engine).down()


@pytest.fixture(scope="session")
def fleet(lab):
    """The lab with every edge configured and confirmed: where most scenarios begin, and end."""
    fleet = SteadyFleet(lab)
    fleet.begin()
    return fleet


@pytest.fixture(scope="session")
def rollouts(fleet):
    """The fleet with the lab's waves and gates, and every host on a release; afterwards on the working tree again."""
    found = Rollouts(fleet)
    try:
        with fleet.changed_policy(lab_pillar):
            yield found
    finally:
        found.forget()
        fleet.highstate("edge*")


@pytest.fixture
def base(rollouts):
    """The release that every host runs when a scenario begins: the last one that reached them all, where one did."""
    rollouts.end_all()
    return rollouts.all_on_one(quick)
