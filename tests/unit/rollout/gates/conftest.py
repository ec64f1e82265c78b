"""A Prometheus to ask. Makes ``asked``, ``crooked``, ``metered``, ``past`` and ``suites`` importable as well."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def metered():
    """A real Prometheus for all tests, and the exporter that it scrapes."""
    import metered

    if reason := metered.missing():
        pytest.skip(reason)
    with metered.running() as running:
        yield running


@pytest.fixture(scope="session")
def remembered():
    """A real Prometheus with the past of a fleet: `past` says which."""
    import metered
    import past

    if reason := metered.missing():
        pytest.skip(reason)
    with metered.running(past.text()) as running:
        yield running


@pytest.fixture
def mortal():
    """A real Prometheus that a test may stop and kill."""
    import metered

    if reason := metered.missing():
        pytest.skip(reason)
    with metered.running() as running:
        yield running


@pytest.fixture
def crooked():
    """A server that answers as a test says."""
    import crooked

    with crooked.running() as running:
        yield running
