"""Weights by hand are put to a plan without a new release: to one backend on every balancer, and to nothing else."""

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.host.errors import Refused
from tidegate.host.plan import reason_to_refuse, seal
from tidegate.release.compose import composed
from tidegate.release.operations import Operation

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
HOSTS = ("server1", "server2", "server3")


def service(name, hosts=HOSTS):
    backends = [{"host": host, "address": f"10.0.0.{host[-1]}", "weight": 100, "draining": False} for host in hosts]
    return {"name": name, "encapsulation": "gue", "backends": backends}


def balancer(*services):
    labels = {"host": "edge1", "pop": "lhr1", "region": "eu", "role": "edge", "class": "gen12"}
    xdp = {"interfaces": [], "rules": [], "management": {"neighbors": []}}
    if services:
        xdp["balancing"] = {"services": list(services), "served": [], "outer": {"ipv4": None, "ipv6": None}, "own": {}}
    return seal({"schema": 1, "host": "edge1", "labels": labels, "bird": None, "tc": {"interfaces": []}, "xdp": xdp})


def weight(value, host="server1", id_=1, **target):
    return Operation(id_, "weight", {"host": host, **target}, {"weight": value}, "ann", "a test", NOW)


def shares(plan):
    """(service, backend) → its weight, or ``drain``."""
    return {
        (one["name"], backend["host"]): "drain" if backend["draining"] else backend["weight"]
        for one in plan.xdp["balancing"]["services"]
        for backend in one["backends"]
    }


PLAN = balancer(service("web"), service("dns"))


def test_a_backend_gets_the_weight_in_every_service_that_uses_it():
    plan = composed(PLAN, [weight(7)])
    assert shares(plan) == {**shares(PLAN), ("web", "server1"): 7, ("dns", "server1"): 7}
    assert not reason_to_refuse(plan.document)
    assert plan.digest != PLAN.digest


def test_a_weight_for_one_service_leaves_the_others():
    assert shares(composed(PLAN, [weight(7, service="web")])) == {**shares(PLAN), ("web", "server1"): 7}


def test_a_drained_backend_stays_for_its_old_flows():
    assert shares(composed(PLAN, [weight("drain", service="dns")]))["dns", "server1"] == "drain"


def test_a_weight_of_nothing_takes_the_backend_out_as_it_does_in_the_policy():
    assert ("web", "server1") not in shares(composed(PLAN, [weight(0)]))


def test_of_several_the_last_holds():
    assert shares(composed(PLAN, [weight(7), weight(9, id_=2)]))["web", "server1"] == 9


@pytest.mark.parametrize("other", [weight(7, "server9"), weight(7, service="mail")])
def test_who_is_not_in_a_pool_is_not_brought_into_it(other):
    assert composed(PLAN, [other]) is PLAN


def test_a_host_that_balances_nothing_is_left_alone():
    plan = balancer()
    assert composed(plan, [weight(7)]) is plan


@pytest.mark.parametrize(
    "bad", [weight("all"), weight(True), weight(-1), weight(10_001), weight(1, rack="7"), weight(1, host="")]
)
def test_what_cannot_be_understood_is_no_weight_at_all(bad):
    with pytest.raises(Refused, match="Weight 1 cannot be composed"):
        composed(PLAN, [bad])


@given(st.lists(st.tuples(st.sampled_from(HOSTS), st.integers(0, 5) | st.just("drain")), max_size=6))
def test_only_backends_that_are_named_change(given_weights):
    plan = composed(PLAN, [weight(value, host) for host, value in given_weights])
    last = dict(given_weights)
    for (name, host), share in shares(PLAN).items():
        expected = last.get(host, share)
        assert shares(plan).get((name, host), 0) == expected
    assert [one["name"] for one in plan.xdp["balancing"]["services"]] == ["web", "dns"]
