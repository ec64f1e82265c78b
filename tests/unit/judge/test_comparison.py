"""What holds of matched sets, whatever hosts are to be compared."""

from hypothesis import given
from hypothesis import strategies as st
from series import comparison

from tidegate.judge.comparison import MOST_IN_SET, Comparison, matched_sets, unmatched

names = st.integers(0, 40).map("h{}".format)
mappings = st.dictionaries(names, st.lists(names, max_size=12).map(tuple), max_size=25)


def of(baseline):
    return Comparison(tuple(baseline), baseline, (0.0, 60.0), 60.0)


@given(mappings)
def test_a_host_is_in_at_most_one_set_and_a_set_has_both_arms(baseline):
    chosen = of(baseline)
    seen = []
    for each in matched_sets(chosen):
        assert each.canaries and each.baselines
        assert set(each.canaries) <= set(baseline)
        assert not set(each.baselines) & set(baseline), "a host with the release is no baseline"
        assert all(host in baseline[canary] for canary in each.canaries for host in each.baselines)
        seen += [*each.canaries, *each.baselines]
    assert len(seen) == len(set(seen))


@given(mappings)
def test_who_is_in_no_set_is_said_to_be_unmatched(baseline):
    chosen = of(baseline)
    matched = {host for each in matched_sets(chosen) for host in each.canaries}
    assert {*matched, *unmatched(chosen)} == set(baseline)
    assert not matched & set(unmatched(chosen))


def test_large_groups_are_split_evenly():
    sizes = [(len(s.canaries), len(s.baselines)) for s in matched_sets(comparison(1, 100, 100))]
    assert sum(ours for ours, _ in sizes) == 100
    assert all(abs(ours - theirs) <= 1 and ours + theirs <= MOST_IN_SET for ours, theirs in sizes)


def test_a_shared_baseline_goes_to_its_own_pop():
    pops = {"c1": "lhr1", "c2": "ams1", "b1": "lhr1", "b2": "ams1", "b3": "ams1"}
    baseline = {"c1": ("b1", "b2"), "c2": ("b1", "b2", "b3")}
    found = matched_sets(Comparison(("c1", "c2"), baseline, (0.0, 60.0), 60.0, pops=pops))
    assert {each.canaries: each.baselines for each in found} == {("c1",): ("b1",), ("c2",): ("b3", "b2")}


@given(mappings)
def test_it_survives_the_store(baseline):
    assert Comparison.of(of(baseline).as_dict()) == of(baseline)
