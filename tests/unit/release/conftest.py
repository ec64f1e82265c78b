"""Stores to test with: SQLite always, and a real PostgreSQL where it is installed."""

import itertools
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "policy")]

import postgres  # noqa: E402

from tidegate.release.location import parse  # noqa: E402
from tidegate.release.store import Store  # noqa: E402

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server():
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.running() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The URL of a place where no store is yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/store.db"
    server = request.getfixturevalue("server")
    name = f"store{next(_numbers)}"
    server.run("createdb", name)
    return server.url(name)


@pytest.fixture
def store(url):
    opened = Store(parse(url), create=True)
    yield opened
    opened.close()
