"""Drains are put to a plan without a new release: what they take away, what they leave, and the laws of it."""

import copy
from datetime import datetime, timedelta, timezone

import pytest
from fleet import GONE, plans
from hypothesis import given
from hypothesis import strategies as st

from tidegate.host.errors import Refused
from tidegate.host.plan import canonical, reason_to_refuse
from tidegate.release.compose import GRACEFUL_SHUTDOWN, MOST_PREPENDS, composed
from tidegate.release.delta.reach import effective, held
from tidegate.release.operations import Operation

PLANS = plans(
    ("routing/services/dns", {"prefixes": ["198.18.0.0/24"]}),
    ("routing/announcements/1", {"service": "dns", "match": {"host": "edge1.lhr1"}, "to": "all", "prepend": 2}),
)
LHR1, AMS1, QUIET = PLANS["edge1.lhr1"], PLANS["edge1.ams1"], PLANS["edge2.lhr1"]


def operation(kind="drain", target=None, **settings):
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return Operation(1, kind, target or {"pop": "lhr1"}, settings, "ada", "maintenance", now)


def drain(how="withdraw", target=None, **settings):
    return operation("drain", target, how=how, **settings)


def exports(plan):
    """(neighbor, service) → the export."""
    return {(one["name"], export["service"]): export for one in plan.bird["neighbors"] for export in one["export"]}


ALL = {("lhr1-v4", "dns"), ("lhr1-v4", "web"), ("lhr1-v6", "web")}


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ({"host": "edge1.lhr1"}, set()),
        ({"pop": "lhr1"}, set()),
        ({"region": "eu"}, set()),
        ({"service": "web"}, {("lhr1-v4", "dns")}),
        ({"neighbor": "lhr1-v4"}, {("lhr1-v6", "web")}),
        ({"pop": "lhr1", "service": "dns"}, {("lhr1-v4", "web"), ("lhr1-v6", "web")}),
        ({"neighbor": "lhr1-v4", "service": "web"}, {("lhr1-v4", "dns"), ("lhr1-v6", "web")}),
        ({"pop": "ams1"}, ALL),
        ({"pop": "ams1", "service": "web"}, ALL),
        ({"neighbor": "ams1-v4"}, ALL),
    ],
)
def test_a_withdrawal_takes_what_is_targeted_and_nothing_else(target, left):
    plan = composed(LHR1, [drain(target=target)])
    assert set(exports(LHR1)) == ALL
    assert set(exports(plan)) == left
    assert [one["name"] for one in plan.bird["neighbors"]] == [one["name"] for one in LHR1.bird["neighbors"]]
    # What nobody is told any more has no route either: withdrawing is then the removal of a route, as in a highstate.
    assert {service["name"] for service in plan.bird["services"]} == {service for _, service in left}
    assert (plan is LHR1) == (left == ALL)


def test_a_prepend_adds_to_what_is_there():
    plan = composed(LHR1, [drain("prepend", times=3)])
    assert {key: export["prepend"] for key, export in exports(plan).items()} == {
        ("lhr1-v4", "dns"): 5,
        ("lhr1-v4", "web"): 3,
        ("lhr1-v6", "web"): 3,
    }
    assert exports(composed(LHR1, [drain("prepend", times=40)]))["lhr1-v4", "dns"]["prepend"] == MOST_PREPENDS


def test_graceful_adds_the_community_of_rfc_8326():
    for export in exports(composed(LHR1, [drain("graceful")])).values():
        assert export["communities"] == [GRACEFUL_SHUTDOWN] == ["65535:0"]


def test_of_several_drains_the_stronger_holds():
    some = [drain("prepend", times=1), drain("prepend", {"service": "web"}, times=4), drain("graceful")]
    web = exports(composed(LHR1, some))["lhr1-v4", "web"]
    assert (web["prepend"], web["communities"]) == (4, [GRACEFUL_SHUTDOWN])
    assert exports(composed(LHR1, [*some, drain()])) == {}


@pytest.mark.parametrize("kind", ["pause", "hold", "adopt", "weight"])
def test_other_operations_change_nothing(kind):
    assert composed(LHR1, [operation(kind, {"host": "edge1.lhr1"})]) is LHR1


def test_a_host_whose_bird_is_left_alone_has_nothing_to_drain():
    (plan, *_) = plans(("routing", GONE), ("filtering/rules/1", GONE), ("shaping", [])).values()
    assert composed(plan, [drain(target={"host": plan.host})]) is plan
    assert composed(QUIET, [drain()]) is QUIET


@pytest.mark.parametrize(
    "bad",
    [
        drain("reject"),
        drain("prepend"),
        drain("prepend", times=0),
        drain("prepend", times=True),
        drain(target={"rack": "12"}),
        drain(target={"pop": ""}),
        Operation(7, "drain", {}, {"how": "withdraw"}, "ada", "why", datetime(2026, 1, 1, tzinfo=timezone.utc)),
    ],
)
def test_a_drain_that_says_nothing_is_neither_none_nor_all(bad):
    with pytest.raises(Refused, match="End it and begin another"):
        composed(LHR1, [bad])


targets = st.fixed_dictionaries(
    {},
    optional={
        "host": st.sampled_from(["edge1.lhr1", "edge1.ams1"]),
        "pop": st.sampled_from(["lhr1", "ams1"]),
        "region": st.sampled_from(["eu", "us"]),
        "service": st.sampled_from(["web", "dns"]),
        "neighbor": st.sampled_from(["lhr1-v4", "lhr1-v6", "ams1-v4"]),
    },
).filter(bool)
drains = st.one_of(
    st.builds(drain, st.sampled_from(["withdraw", "graceful"]), targets),
    st.builds(lambda target, times: drain("prepend", target, times=times), targets, st.integers(1, 10)),
    st.builds(operation, st.sampled_from(["pause", "hold", "adopt", "weight"]), targets),
)
some_plans = st.sampled_from([LHR1, AMS1, QUIET])


def told(plan):
    own = held(plan.bird)
    return {(one["name"], prefix) for one in plan.bird["neighbors"] for prefix, _ in effective(one, own)}


@given(some_plans, st.lists(drains, max_size=5), st.randoms(use_true_random=False))
def test_order_and_repetition_of_operations_mean_nothing(plan, operations, random):
    again = [*operations, *operations]
    random.shuffle(again)
    assert composed(plan, operations).digest == composed(plan, again).digest


@given(some_plans, st.lists(drains, max_size=5))
def test_a_composed_plan_is_a_good_plan_that_announces_no_more(plan, operations):
    before = copy.deepcopy(dict(plan.document))
    result = composed(plan, operations)
    assert reason_to_refuse(result.document, plan.host) is None
    assert told(result) <= told(plan)
    assert dict(plan.document) == before, "the release's plan is shared"
    assert {**result.document, "bird": 0, "digest": 0} == {**plan.document, "bird": 0, "digest": 0}
    # The digest says whether anything changed.
    assert (result.digest == plan.digest) == (canonical(result.document) == canonical(plan.document))


@given(some_plans, st.lists(drains, max_size=5))
def test_to_compose_twice_is_to_compose_once(plan, operations):
    """But for prepends, which add to what the release says: they are put to the release's plan alone."""
    some = [one for one in operations if one.settings.get("how") != "prepend"]
    once = composed(plan, some)
    assert composed(once, some) is once


# ---- In phases -------------------------------------------------------------------------------------------------

BEGAN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def test_a_drain_that_begins_gracefully_withdraws_only_after_its_delay():
    phased = [drain(gracefully=300)]
    first = composed(LHR1, phased, BEGAN + timedelta(seconds=299))
    assert {tuple(export["communities"]) for export in exports(first).values()} == {(GRACEFUL_SHUTDOWN,)}
    assert exports(composed(LHR1, phased, BEGAN + timedelta(seconds=300))) == {}
    assert exports(composed(LHR1, phased)) == {}


def test_a_graceful_drain_leads_our_own_traffic_away_too():
    """Lowered preference, for as long as it is graceful; of one service alone nothing is learned."""
    learned = {one["name"]: one["import_"] for one in composed(LHR1, [drain("graceful")]).bird["neighbors"]}
    assert all(rules["last_choice"] for rules in learned.values())
    one = composed(LHR1, [drain("graceful", {"neighbor": "lhr1-v4"})]).bird["neighbors"]
    assert {neighbor["name"] for neighbor in one if "last_choice" in neighbor["import_"]} == {"lhr1-v4"}
    other = composed(LHR1, [drain("graceful", {"service": "web"})]).bird["neighbors"]
    assert not any("last_choice" in neighbor["import_"] for neighbor in other)


@pytest.mark.parametrize("settings", [{"gracefully": "300"}, {"gracefully": -1}, {"gracefully": True}])
def test_a_beginning_that_cannot_be_understood_is_refused(settings):
    with pytest.raises(Refused, match="cannot be composed"):
        composed(LHR1, [drain(**settings)])
