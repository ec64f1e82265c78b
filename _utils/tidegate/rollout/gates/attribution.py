"""A plugin of pytest: writes into the report of each test which host it was about, and whether that host was reached.

``-p tidegate.rollout.gates.attribution`` loads it. The names of tests have the host in them too, but joined with other
parameters, and testinfra lets a host that does not answer look like a test that failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate.rollout.gates.junit import HOST, UNREACHED


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add ours to the properties of the test, which the JUnit report has."""
    known = dict(item.user_properties)
    host = getattr(item, "callspec", None) and item.callspec.params.get("_testinfra_host")  # type: ignore[attr-defined]
    if host is not None and HOST not in known:
        item.user_properties.append((HOST, host.backend.get_hostname()))
    if call.excinfo is not None and UNREACHED not in known and _from_connection(call.excinfo):
        item.user_properties.append((UNREACHED, "yes"))
    yield


def _from_connection(raised: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether it was raised below testinfra's own code for connections, where nothing is asserted about a host."""
    frames = [(Path(str(entry.path)), entry.name) for entry in raised.traceback]
    if any(path.parts[-3:-1] == ("testinfra", "backend") for path, _ in frames):
        return True
    above = [path.parts[-2:] == ("testinfra", "host.py") and name == "run" for path, name in frames[:-1]]
    return any(above)
