"""Memory is counted before it is taken."""

import pytest

from tidegate.bpf.memory import ensure, of_prefixes
from tidegate.host.errors import Refused


@pytest.fixture
def meminfo(tmp_path):
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:  2048000 kB\nMemAvailable:  1024000 kB\n")
    return path


def test_what_fits_is_let_through(meminfo):
    ensure(of_prefixes(1_000_000), "a set", meminfo)


def test_what_does_not_is_refused_with_the_figures(meminfo):
    with pytest.raises(Refused, match=r"ten million prefixes would take 1,221 MiB .* has 1,000 MiB available"):
        ensure(of_prefixes(10_000_000), "ten million prefixes", meminfo)
