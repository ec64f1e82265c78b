"""Stores to test with: every test that asks for one runs on SQLite and on PostgreSQL.

Makes ``drafts``, ``fleet``, ``postgres``, ``small_disk`` and ``example`` importable everywhere: pytest runs in
importlib mode, so test folders are not on the path by themselves.
"""

import itertools
import sys
from contextlib import closing
from pathlib import Path

import pytest
import salt._logging
import salt.channel.client
from hypothesis import HealthCheck, settings

from tidegate.release.location import parse
from tidegate.release.store import Store

sys.path[:0] = [str(Path(__file__).parent / folder) for folder in ("release", "policy", "balancing")]

# A machine that is busy with other things makes no law wrong.
settings.register_profile("tidegate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tidegate")

# Importing Salt keeps all that is logged for a log that nobody sets up here, and prints it at the very end.
salt._logging.shutdown_temp_handler()

# Importing Salt's channel leaves a finder of the old protocol behind (PEP 302), with which pytest cannot import a test.
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL server for all tests, each with a database of its own."""
    import postgres

    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.running() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Where a store may be made: an empty database, or for SQLite a path in a folder that is not there yet."""
    if request.param == "sqlite":
        return str(tmp_path / "state" / "store.db")
    server = request.getfixturevalue("server")
    database = f"store{next(NUMBERS)}"
    server.run("createdb", database)
    return server.url(database)


@pytest.fixture
def store(url):
    """An empty store."""
    with closing(Store(parse(url), create=True)) as opened:
        yield opened


@pytest.fixture
def small(tmp_path):
    """A file system of a few megabytes."""
    import small_disk

    if reason := small_disk.missing():
        pytest.skip(reason)
    with small_disk.mounted(tmp_path / "small") as reason:
        if reason:
            pytest.skip(f"a small file system cannot be mounted here: {reason}")
        yield tmp_path / "small"
