"""Waves of a part of the fleet: only of the hosts that change."""

from fleets import CANARY, FLEET, REST, document
from hypothesis import given
from hypothesis import strategies as st
from test_laws import fleets, policies

from tidegate.policy.model import Policy
from tidegate.policy.waves import DEFAULT_WAVES, EMERGENCY_WAVES
from tidegate.rollout.waves import assign


def waves(fleet, rules, among):
    return assign(Policy.model_validate(document(fleet, rules)), among)


def hosts_of(fleet, rules, among):
    return {wave.name: set(wave.hosts) for wave in waves(fleet, rules, among)}


IN_LHR1 = {host for host in FLEET if FLEET[host][0] == "lhr1"}


def test_shares_are_of_what_changes():
    some = {f"edge1.{pop}" for pop in ("lhr1", "ams1", "fra1", "iad1", "ord1", "sjc1")}
    found = hosts_of(FLEET, [CANARY, {"name": "half", "percent": 50}, REST], some)
    assert [len(hosts) for hosts in found.values()] == [1, 2, 3]


def test_waves_without_hosts_are_left_out():
    rules = [CANARY, {"name": "us", "match": {"region": "us"}}, REST]
    assert list(hosts_of(FLEET, rules, IN_LHR1)) == ["canary", "all"]
    assert hosts_of(FLEET, rules, set()) == {}


def test_a_first_wave_that_is_not_about_these_hosts_has_one_of_every_class_all_the_same():
    rules = [{"name": "canary", "hosts": ["edge1.iad1", "old1.iad1"]}, REST]
    found = hosts_of(FLEET, rules, IN_LHR1)
    assert {FLEET[host][1] for host in found["canary"]} == {"gen11", "gen12"}
    assert len(found["canary"]) == 2
    # One that has some of them is topped up.
    mixed = hosts_of(FLEET, [{"name": "canary", "hosts": ["edge1.lhr1", "old1.iad1"]}, REST], IN_LHR1)["canary"]
    assert "edge1.lhr1" in mixed
    assert {FLEET[host][1] for host in mixed} == {"gen11", "gen12"}
    assert len(mixed) == 2


def test_a_host_that_is_named_later_is_a_canary_only_if_nobody_else_can_be():
    later = {"name": "late", "hosts": ["old1.lhr1"]}
    rules = [{"name": "canary", "hosts": ["edge1.iad1", "old1.iad1"]}, later, REST]
    assert hosts_of(FLEET, rules, IN_LHR1)["late"] == {"old1.lhr1"}
    assert hosts_of(FLEET, rules, {"old1.lhr1", "edge1.lhr1"}) == {"canary": {"old1.lhr1", "edge1.lhr1"}}


def test_hosts_that_do_not_change_are_baselines_and_let_a_canary_be_chosen_beside_them():
    (only,) = waves(FLEET, [CANARY, REST], {"edge1.lhr1"})
    assert set(only.baseline["edge1.lhr1"]) == {"edge2.lhr1", "edge3.lhr1"}
    # Both are alone in what changes; ams1 has others of its kind that stay as they are, fra1 has none.
    fleet = {"a.ams1": ("ams1", "gen12"), "b.ams1": ("ams1", "gen12"), "a.fra1": ("fra1", "gen12")}
    canary, _ = waves(fleet, [CANARY, REST], {"a.ams1", "a.fra1"})
    assert canary.hosts == ("a.ams1",)
    assert canary.baseline == {"a.ams1": ("b.ams1",)}


parts = st.data()


def draw(data, fleet):
    return set(data.draw(st.lists(st.sampled_from(sorted(fleet)), unique=True)))


@given(fleets, policies, parts)
def test_every_host_that_changes_is_in_one_wave(fleet, policy, data):
    some = draw(data, fleet)
    found = [host for wave in waves(fleet, policy, some) for host in wave.hosts]
    assert sorted(found) == sorted(some)


@given(fleets, policies, parts)
def test_the_first_wave_has_every_class_of_what_changes(fleet, policy, data):
    some = draw(data, fleet)
    found = waves(fleet, policy, some)
    if some != set(fleet):
        first = set(found[0].hosts) if found else set()
        assert {fleet[host][1] for host in first} == {fleet[host][1] for host in some}
    assert all(wave.hosts for wave in found)


@given(fleets, policies)
def test_all_hosts_are_what_no_choice_is(fleet, policy):
    assert hosts_of(fleet, policy, fleet) == {
        name: hosts for name, hosts in hosts_of(fleet, policy, None).items() if hosts
    }


@given(fleets, parts)
def test_a_baseline_is_of_later_waves_or_of_what_stays(fleet, data):
    some = draw(data, fleet)
    found, seen = waves(fleet, None, some), set()
    for wave in found:
        seen |= set(wave.hosts)
        for host, baseline in wave.baseline.items():
            assert seen.isdisjoint(baseline)
            assert all(fleet[other][1:] == fleet[host][1:] for other in baseline)
            # While somebody like it stays as it is, no host goes without.
            assert baseline or not any(fleet[other][1:] == fleet[host][1:] for other in fleet.keys() - some)


@given(fleets, parts)
def test_an_emergency_of_any_part_has_its_canaries(fleet, data):
    some = draw(data, fleet)
    policy = Policy.model_validate(document(fleet))
    found = assign(policy, some, EMERGENCY_WAVES)
    classes = {fleet[host][1] for host in some}
    assert len(found) == bool(some) + (len(some) > len(classes))
    assert len(found) <= len(assign(policy, some, DEFAULT_WAVES))
