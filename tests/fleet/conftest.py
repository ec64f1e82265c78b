"""The fleet tests' lab: brought up once for all of them, removed whatever happens.

``TIDEGATE_LAB_KEEP=1`` leaves it running, and says how to look at it. A lab left behind by a test run that was killed
is removed by the next one.
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
    """The bare lab first: its tests look at hosts that nobody has configured yet."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.parent == here and item.path.stem != "test_lab")


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
    fleet = Lab(f"tg-test-{os.getpid()}", engine)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():
            print()
            fleet.up()
        yield fleet
    finally:
        if os.environ.get("TIDEGATE_LAB_KEEP"):
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
