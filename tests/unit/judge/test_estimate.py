"""Effects and their bounds, against SciPy's tests where those apply."""

import numpy as np
import pytest
from scipy import stats

from tidegate.judge.arms import Layout
from tidegate.judge.comparison import MatchedSet
from tidegate.judge.estimate import estimate
from tidegate.judge.spending import evenly, towards_the_end


def pairs(number):
    hosts = [f"c{n}" for n in range(number)] + [f"b{n}" for n in range(number)]
    return Layout.of([MatchedSet((f"c{n}",), (f"b{n}",)) for n in range(number)], hosts)


def test_pairs_are_the_paired_t_test():
    row = np.random.default_rng(1).standard_normal(24)
    found = estimate(row[None], pairs(12))
    known = stats.ttest_rel(row[:12], row[12:])
    assert found.freedom[0] == 11
    assert found.effect[0] / found.error[0] == pytest.approx(known.statistic)
    width = found.half_width(np.array([0.01]))[0]
    assert (found.effect[0] - width, found.effect[0] + width) == pytest.approx(tuple(known.confidence_interval(0.98)))


def test_one_set_is_the_two_sample_t_test():
    row = np.random.default_rng(2).standard_normal(15)
    hosts = [f"h{n}" for n in range(15)]
    found = estimate(row[None], Layout.of([MatchedSet(tuple(hosts[:4]), tuple(hosts[4:]))], hosts))
    known = stats.ttest_ind(row[:4], row[4:])
    assert found.freedom[0] == 13
    assert found.effect[0] / found.error[0] == pytest.approx(known.statistic)


def test_what_pops_differ_by_does_not_count():
    row = np.random.default_rng(3).standard_normal(24)
    shifted = row + 1000 * np.tile(np.arange(12), 2)
    plain, moved = estimate(row[None], pairs(12)), estimate(shifted[None], pairs(12))
    assert moved.effect == pytest.approx(plain.effect)
    assert moved.error == pytest.approx(plain.error)


def test_with_one_pair_nothing_is_known():
    found = estimate(np.array([[1.0, 0.0]]), pairs(1))
    assert np.isinf(found.half_width(np.array([0.05]))[0])
    assert found.chance_to_pass(np.array([9.0]), np.array([0.05]))[0] == 0


def test_a_margin_that_is_a_share_costs_what_the_level_is_not_known():
    found = estimate(np.random.default_rng(4).standard_normal((1, 24)), pairs(12))
    chance = np.array([0.05])
    assert found.half_width(chance, 0.5)[0] > found.half_width(chance)[0]


@pytest.mark.parametrize("spread", [evenly, towards_the_end])
@pytest.mark.parametrize("planned", [1, 2, 30])
def test_all_chances_together_are_at_most_the_whole(spread, planned):
    weights = spread(planned, 50 * planned)
    assert (weights > 0).all() or planned == 1
    assert 0.9 < weights.sum() <= 1 + 1e-12
    assert spread(planned, 7).tolist() == spread(planned, 50 * planned)[:7].tolist()


def test_an_extension_by_a_whole_soak_finds_something_left():
    weights = towards_the_end(30, 90)
    assert weights[29] > 0.5
    assert weights[59] > 0.1
    assert weights[89] > 0.05
    assert weights[30:59].max() < 0.001
