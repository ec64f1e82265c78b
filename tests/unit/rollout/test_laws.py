"""What holds of the waves of every fleet and every policy."""

import random

from fleets import CANARY, REGIONS, REST, hosts_of, waves
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rollout.baseline import MOST

POPS = [pop for pops in REGIONS.values() for pop in pops]
REGION_OF = {pop: region for region, pops in REGIONS.items() for pop in pops}
CLASSES = ["gen11", "gen12", "gen13"]
ROLES = ["edge", "server"]

labels = st.tuples(st.sampled_from(POPS), st.sampled_from(CLASSES), st.sampled_from(ROLES))
fleets = st.lists(labels, min_size=1, max_size=60).map(
    lambda hosts: {f"host{number}": host for number, host in enumerate(hosts)}
)
matches = st.one_of(
    st.just("all"),
    st.fixed_dictionaries(
        {}, optional={"region": st.sampled_from([*REGIONS]), "class": st.sampled_from(CLASSES)}
    ).filter(bool),
)
narrowed = {"match": matches}
units = st.sampled_from(["host", "pop", "region"])
rules = st.one_of(
    st.fixed_dictionaries({"one_per": st.sampled_from(["class", "role", "region", "pop"])}, optional=narrowed),
    st.fixed_dictionaries({"one_per": st.sampled_from(["class", "role", "region"]), "unit": st.just("pop")}),
    st.fixed_dictionaries({"percent": st.integers(1, 100), "unit": units}, optional=narrowed),
    st.fixed_dictionaries({"count": st.integers(1, 10), "unit": units}, optional=narrowed),
    st.fixed_dictionaries({"match": matches}),
    st.fixed_dictionaries({"hosts": st.lists(st.integers(0, 60).map("host{}".format), min_size=1, max_size=5)}),
)
policies = st.lists(rules, max_size=5).map(
    lambda found: [{"name": f"wave{number}", **rule} for number, rule in enumerate(found)] + [REST]
)
percentages = st.lists(st.integers(1, 99), max_size=4, unique=True).map(sorted)


@given(fleets, policies)
def test_every_host_is_in_one_wave(fleet, policy):
    found = [host for wave in waves(fleet, policy) for host in wave.hosts]
    assert sorted(found) == sorted(fleet)


@given(fleets, policies, st.randoms(use_true_random=False))
def test_the_order_in_which_hosts_are_written_means_nothing(fleet, policy, order: random.Random):
    shuffled = list(fleet.items())
    order.shuffle(shuffled)
    assert waves(dict(shuffled), policy) == waves(fleet, policy)


@given(fleets)
def test_the_canaries_have_every_class(fleet):
    for policy in (None, [CANARY, REST]):
        first = waves(fleet, policy)[0]
        assert sorted(fleet[host][1] for host in first.hosts) == sorted({labels[1] for labels in fleet.values()})


@given(fleets, policies)
def test_a_baseline_is_alike_later_and_as_near_as_can_be(fleet, policy):
    found = waves(fleet, policy)
    for position, wave in enumerate(found):
        later = {host for after in found[position + 1 :] for host in after.hosts}
        assert set(wave.baseline) == set(wave.hosts)
        for host, baseline in wave.baseline.items():
            pop, *kind = fleet[host]
            alike = {other for other in later if [*fleet[other][1:]] == kind}
            near = {other for other in alike if fleet[other][0] == pop}
            region = {other for other in alike if REGION_OF[fleet[other][0]] == REGION_OF[pop]}
            assert set(baseline) <= (near or region or alike)
            assert len(baseline) == min(len(near or region or alike), MOST)


@given(fleets)
def test_a_canary_without_baseline_has_nobody_like_it_that_could_have_one(fleet):
    canary, *_ = waves(fleet, [CANARY, REST])
    for host in canary.hosts:
        alike = [other[1:] for other in fleet.values() if other[1] == fleet[host][1]]
        if not canary.baseline[host]:
            assert all(alike.count(kind) == 1 for kind in alike)


@given(fleets, percentages)
def test_a_percentage_is_what_it_says(fleet, shares):
    policy = [{"name": f"p{share}", "percent": share} for share in shares] + [REST]
    found, reached = hosts_of(fleet, policy), 0
    for share in shares:
        reached += len(found[f"p{share}"])
        assert reached == -(-len(fleet) * share // 100)


@given(fleets, labels, percentages)
def test_a_new_host_moves_at_most_two_others_over_each_border(fleet, new, shares):
    policy = [{"name": f"p{share}", "percent": share} for share in shares] + [REST]
    assert moved(fleet, new, policy) <= 2 * len(shares)


@given(fleets, labels, percentages)
def test_nor_does_it_with_canaries(fleet, new, shares):
    """The new host may make another host of its class the better canary; no other class notices."""
    policy = [CANARY, *({"name": f"p{share}", "percent": share} for share in shares), REST]
    grown = {**fleet, "new": new}
    before, after = hosts_of(fleet, policy)["canary"], hosts_of(grown, policy)["canary"]
    assert {grown[host][1] for host in before ^ after} <= {new[1]}
    assert moved(fleet, new, policy) <= 2 + 4 * len(shares)


def moved(fleet, new, policy):
    """How many hosts have another wave once a new one is there."""
    before, after = wave_of(fleet, policy), wave_of({**fleet, "new": new}, policy)
    return sum(before[host] != after[host] for host in fleet)


def wave_of(fleet, policy):
    return {host: name for name, hosts in hosts_of(fleet, policy).items() for host in hosts}
