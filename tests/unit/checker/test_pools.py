"""Backends that this host looks at: real servers on this machine, well and sick."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager

import pytest

from tidegate.balancing import pools as written
from tidegate.checker.pools import Pools
from tidegate.host.errors import Refused

CHECK = {"http": None, "status": None, "interval": 0.05, "timeout": 0.5, "rise": 1, "fall": 1}


@pytest.fixture
def said():
    return []


@pytest.fixture
def pools(tmp_path, monkeypatch, said):
    monkeypatch.setenv("TIDEGATE_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("TIDEGATE_BPFFS", str(tmp_path / "bpf"))
    made = Pools(said.append)
    yield made
    made.end()


@contextmanager
def listening(port=0):
    with socket.create_server(("127.0.0.1", port), reuse_port=True) as server:
        yield server.getsockname()[1]


def generation(tmp_path, port, *hosts, **changed):
    backends = [{"host": host, "address": "127.0.0.1", "weight": 100, "draining": False} for host in hosts]
    web = {"name": "web", "backends": backends, "check": {**CHECK, "port": port, **changed}}
    found = {"marker": "0" * 16, "interfaces": [], "rules": [], "management": {}, "balancing": {"services": [web]}}
    tmp_path.joinpath("xdp.json").write_text(json.dumps(found))
    return tmp_path


def until(pools, look, seconds=10):
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "not in time"
        pools.turn()
        time.sleep(0.01)


def test_a_server_that_answers_is_capacity_and_one_that_stops_is_sick(pools, tmp_path, said):
    with listening() as port:
        pools.follow(generation(tmp_path, port, "server1"))
        until(pools, lambda: written.share("web") == 1.0)
        assert written.sick() == {"web": set()}
    until(pools, lambda: written.share("web") == 0.0)
    assert written.sick() == {"web": {"server1"}}
    assert [line.split(":")[0] for line in said] == [
        "backend server1 of web is well",
        "backend server1 of web is sick",
    ]


def test_what_is_known_of_a_server_outlives_a_change_of_the_others(pools, tmp_path):
    with listening() as port:
        pools.follow(generation(tmp_path, port, "server1"))
        until(pools, lambda: written.share("web") == 1.0)
        pools.follow(generation(tmp_path, port, "server1", "server2"))
        pools.turn()
        assert written.share("web") >= 0.5
        until(pools, lambda: written.share("web") == 1.0)


def test_a_damaged_generation_changes_nothing(pools, tmp_path):
    with listening() as port:
        pools.follow(generation(tmp_path, port, "server1"))
        (tmp_path / "xdp.json").write_text("{")
        with pytest.raises(Refused):
            pools.follow(tmp_path)
        until(pools, lambda: written.share("web") == 1.0)


def test_without_a_generation_nobody_is_looked_at(pools, tmp_path):
    with listening() as port:
        pools.follow(generation(tmp_path, port, "server1"))
        until(pools, lambda: written.share("web") == 1.0)
        pools.follow(tmp_path / "none")
        assert pools.beat()
        written.file().unlink()
        pools.turn()
        assert not written.file().exists()


def test_figures_are_written_for_prometheus(pools, tmp_path):
    with listening() as port:
        pools.follow(generation(tmp_path, port, "server1"))
        until(pools, lambda: written.share("web") == 1.0)
    assert pools.beat()
    assert 'tidegate_balancing_pool_capacity{service="web"} 1.0' in (tmp_path / "run" / "balancing.prom").read_text()
