"""What each way to choose takes, and what is left behind to be compared with."""

import pytest
from fleets import CANARY, FLEET, REGIONS, REST, hosts_of, waves

from tidegate.rollout.waves import Wave


def pops(hosts):
    return {FLEET[host][0] for host in hosts}


def everyone_in(*names):
    return {host for host in FLEET if FLEET[host][0] in names}


@pytest.mark.parametrize(
    ("label", "values"),
    [("class", 2), ("region", 2), ("pop", 6), ("role", 1)],
)
def test_one_per_takes_one_host_of_every_value(label, values):
    first, rest = waves(FLEET, [{"name": "first", "one_per": label}, REST])
    assert len(first.hosts) == values
    assert len(rest.hosts) == len(FLEET) - values


def test_one_pop_per_region_is_whole():
    taken = hosts_of(FLEET, [{"name": "first", "one_per": "region", "unit": "pop"}, REST])["first"]
    assert len(pops(taken)) == 2
    assert taken == everyone_in(*pops(taken))


def test_one_pop_per_class_is_one_pop_if_it_has_both_classes():
    fleet = {"a1": ("lhr1", "gen11"), "a2": ("lhr1", "gen12")}
    assert hosts_of(fleet, [{"name": "first", "one_per": "class", "unit": "pop"}])["first"] == {"a1", "a2"}
    for alone in ("gen11", "gen12"):
        taken = hosts_of(fleet | {"b1": ("ams1", alone)}, [{"name": "first", "one_per": "class", "unit": "pop"}, REST])
        # Where ams1 is chosen for its one class, lhr1 still has to come for the other.
        assert {"a1", "a2"} <= taken["first"]


def test_a_unit_has_only_the_hosts_that_are_left_and_match():
    rules = [CANARY, {"name": "pops", "count": 6, "unit": "pop", "match": {"class": "gen12"}}, REST]
    found = hosts_of(FLEET, rules)
    assert found["pops"] == {host for host in FLEET if FLEET[host][1] == "gen12"} - found["canary"]


def test_percent_is_of_the_whole_with_the_waves_before_counted_in():
    rules = [CANARY, {"name": "half", "percent": 50}, {"name": "most", "percent": 90}, REST]
    assert [len(hosts) for hosts in hosts_of(FLEET, rules).values()] == [2, 9, 9, 2]


def test_percent_of_a_match_is_of_what_matches():
    rules = [CANARY, {"name": "us", "percent": 50, "match": {"region": "us"}}, REST]
    found = hosts_of(FLEET, rules)
    in_us = everyone_in(*REGIONS["us"])
    assert found["us"] <= in_us
    assert len((found["canary"] | found["us"]) & in_us) == 6  # half of 11, rounded up


@pytest.mark.parametrize(("percent", "hosts"), [(1, 1), (4, 1), (5, 2), (100, 22)])
def test_percent_is_rounded_up(percent, hosts):
    assert len(hosts_of(FLEET, [{"name": "first", "percent": percent}, REST])["first"]) == hosts


def test_percent_of_pops_counts_pops_that_are_done():
    rules = [{"name": "one", "count": 1, "unit": "pop"}, {"name": "half", "percent": 50, "unit": "pop"}, REST]
    found = hosts_of(FLEET, rules)
    assert [len(pops(hosts)) for hosts in found.values()] == [1, 2, 3]


def test_half_of_the_fleet_is_half_of_every_pop():
    fleet = {f"edge{number}.{pop}": (pop, "gen12") for pop in ("lhr1", "ams1", "iad1") for number in range(10)}
    fleet |= {f"edge{number}.fra1": ("fra1", "gen12") for number in range(2)}
    taken = hosts_of(fleet, [{"name": "half", "percent": 50}, REST])["half"]
    counts = {pop: sum(fleet[host][0] == pop for host in taken) for pop in ("lhr1", "ams1", "iad1", "fra1")}
    assert counts == {"lhr1": 5, "ams1": 5, "iad1": 5, "fra1": 1}


def test_what_a_pop_gave_before_counts_for_its_share():
    fleet = {f"edge{number}.{pop}": (pop, "gen12") for pop in ("lhr1", "ams1") for number in range(4)}
    rules = [{"name": "first", "count": 2, "match": {"pop": "lhr1"}}, {"name": "half", "percent": 50}, REST]
    assert {fleet[host][0] for host in hosts_of(fleet, rules)["half"]} == {"ams1"}


def test_count_is_so_many_more():
    rules = [{"name": "one", "count": 3}, {"name": "two", "count": 3}, {"name": "rest", "match": "all"}]
    assert [len(hosts) for hosts in hosts_of(FLEET, rules).values()] == [3, 3, 16]


def test_one_region_more():
    taken = hosts_of(FLEET, [{"name": "one", "count": 1, "unit": "region"}, REST])["one"]
    assert taken in (everyone_in(*REGIONS["eu"]), everyone_in(*REGIONS["us"]))


def test_match_alone_takes_all_that_are_left_of_it():
    found = hosts_of(FLEET, [CANARY, {"name": "eu", "match": {"region": "eu"}}, REST])
    assert found["eu"] == everyone_in(*REGIONS["eu"]) - found["canary"]


def test_named_hosts_wait_for_their_wave():
    usual = hosts_of(FLEET, [CANARY, REST])["canary"]
    held = hosts_of(FLEET, [CANARY, {"name": "half", "percent": 50}, {"name": "last", "hosts": sorted(usual)}, REST])
    assert held["last"] == usual
    assert len(held["canary"]) == 2
    assert len(held["canary"] | held["half"]) == 11


def test_a_canary_has_its_like_in_the_same_pop():
    (canary, _) = waves(FLEET, [CANARY, REST])
    assert len(canary.hosts) == 2
    for host in canary.hosts:
        alike = {other for other in FLEET if FLEET[other] == FLEET[host]} - {host}
        assert set(canary.baseline[host]) == alike


def test_a_host_with_its_like_in_the_pop_is_preferred_to_all_others():
    fleet = {f"edge1.{pop}": (pop, "gen12") for pops in REGIONS.values() for pop in pops}
    for pop in (pop for pops in REGIONS.values() for pop in pops):
        (canary, _) = waves(fleet | {f"edge2.{pop}": (pop, "gen12")}, [CANARY, REST])
        assert {host.partition(".")[2] for host in canary.hosts} == {pop}


def test_without_its_like_in_the_pop_the_region_serves_then_the_fleet():
    apart = {"a": ("lhr1", "gen12"), "b": ("ams1", "gen12"), "c": ("iad1", "gen12")}
    (canary, _) = waves(apart, [CANARY, REST])
    assert canary.hosts in (("a",), ("b",))
    assert set(canary.baseline[canary.hosts[0]]) == {"a", "b"} - set(canary.hosts)
    (canary, _) = waves({"a": ("lhr1", "gen12"), "c": ("iad1", "gen12")}, [CANARY, REST])
    assert canary.baseline[canary.hosts[0]] == tuple({"a", "c"} - set(canary.hosts))


def test_a_host_alone_in_its_class_has_no_baseline():
    (canary, _) = waves({"a": ("lhr1", "gen11"), "b": ("lhr1", "gen12"), "c": ("lhr1", "gen12")}, [CANARY, REST])
    assert canary.baseline["a"] == ()


def test_another_role_is_nothing_to_compare_with():
    fleet = {"a": ("lhr1", "gen12", "edge"), "b": ("lhr1", "gen12", "server"), "c": ("iad1", "gen12", "server")}
    (canary, _) = waves(fleet, [CANARY, REST])
    assert canary.hosts in (("b",), ("c",))
    assert set(canary.baseline[canary.hosts[0]]) == {"b", "c"} - set(canary.hosts)


def test_a_value_with_a_choice_makes_way_for_one_without():
    # us has one host. Were eu to take b, which a is compared with, nothing would be left for c.
    fleet = {"a": ("lhr1", "gen11"), "b": ("lhr1", "gen12"), "x": ("ams1", "gen11"), "c": ("iad1", "gen12")}
    (canary, _) = waves(fleet, [{"name": "canary", "one_per": "region"}, REST])
    assert canary.baseline["c"] == ("b",)
    assert all(canary.baseline.values())


def test_the_default_waves_suit_any_fleet():
    assert list(hosts_of(FLEET)) == ["canary", "pop", "half", "all"]
    assert list(hosts_of({"a": ("lhr1", "gen12")})) == ["canary"]
    two = hosts_of({"a": ("lhr1", "gen12"), "b": ("lhr1", "gen12")})
    assert [len(hosts) for hosts in two.values()] == [1, 1]


def test_the_rest_may_be_nobody():
    assert list(hosts_of(FLEET, [CANARY, {"name": "whole", "percent": 100}, REST])) == ["canary", "whole"]


def test_how_hosts_were_chosen_is_said_in_words():
    rules = [
        CANARY,
        {"name": "pop", "one_per": "region", "unit": "pop"},
        {"name": "eu", "percent": 60, "match": {"region": "eu"}},
        {"name": "more", "count": 1, "unit": "pop"},
        {"name": "last", "hosts": ["edge1.lhr1"]},
        REST,
    ]
    assert [wave.why for wave in waves(FLEET, rules)] == [
        "one host of every class",
        "one PoP of every region",
        "up to 60 % of the hosts of {region: eu}",
        "1 more PoP",
        "named in the policy",
        "all that are left",
    ]


def test_these_waves_are_the_same_in_every_version():
    """Golden: another order of names would put other hosts of running fleets at risk first."""
    first, half, _ = waves(FLEET, [CANARY, {"name": "half", "percent": 50}, REST])
    assert first == Wave(
        name="canary",
        hosts=("edge3.ord1", "old1.iad1"),
        baseline={"edge3.ord1": ("edge1.ord1", "edge2.ord1"), "old1.iad1": ("old2.iad1",)},
        why="one host of every class",
    )
    assert " ".join(half.hosts) == (
        "edge1.fra1 edge1.lhr1 edge2.iad1 edge2.lhr1 edge2.ord1 edge3.ams1 edge3.fra1 edge3.sjc1 old1.lhr1"
    )
