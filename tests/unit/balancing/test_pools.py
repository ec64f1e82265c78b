"""Who is well, as one process writes it and others read it."""

import json
import time

import pytest
from planned import backend, service

from tidegate.balancing import metrics, pools
from tidegate.checker.looks import look
from tidegate.checker.rules import CheckRule

WEB = service(backends=[backend("a", 1, weight=300), backend("b", 2), backend("c", 3, draining=True)])


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEGATE_RUN", str(tmp_path))
    monkeypatch.setenv("TIDEGATE_BPFFS", str(tmp_path / "bpf"))


def wrote(seconds_ago=0.0, **members):
    pools.write({"web": members}, {"web": pools.capacity(members, WEB)})
    document = json.loads(pools.file().read_text())
    pools.file().write_text(json.dumps({**document, "time": time.monotonic() - seconds_ago}))


def asked(percent):
    return look(CheckRule("pool-web", "pool", "web", 1.0, 1.0, 1, 1, {"percent": percent}))


@pytest.mark.parametrize(
    ("members", "share"),
    [
        ({"a": True, "b": True, "c": True}, 0.8),
        ({"a": True, "b": False, "c": True}, 0.6),
        ({"a": None, "b": True}, 0.2),
        ({}, 0.0),
    ],
)
def test_capacity_is_weight_that_is_well_and_takes_new_flows(members, share):
    assert pools.capacity(members, WEB) == pytest.approx(share)


def test_a_pool_without_weight_has_none():
    assert pools.capacity({"a": True}, service(backends=[])) == 0.0


def test_the_check_of_a_vip_asks_for_enough_of_the_pool():
    wrote(a=True, b=False, c=True)
    assert asked(60) == (True, "60% of the pool is well, 60% is needed")
    assert asked(61) == (False, "60% of the pool is well, 61% is needed")


def broken():
    pools.file().write_text("{")


@pytest.mark.parametrize("missing", [lambda: None, lambda: wrote(pools.FRESH + 1, a=True), broken])
def test_nobody_who_looks_is_no_capacity(missing):
    missing()
    good, reason = asked(1)
    assert not good
    assert reason == "nobody has looked at the pool of web lately"


def test_who_is_sick_stays_sick_when_nobody_looks_any_more():
    wrote(3600, a=True, b=False, c=None)
    assert pools.sick() == {"web": {"b"}}


def test_figures_for_prometheus():
    lines = metrics.text({"web": {"a": True, "b": False, "c": None}}, {"web": 0.6}).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'tidegate_balancing_backend_well{service="web",backend="a"} 1',
        'tidegate_balancing_backend_well{service="web",backend="b"} 0',
        'tidegate_balancing_pool_capacity{service="web"} 0.6',
    ]
