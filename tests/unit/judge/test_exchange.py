"""E-values of exchanged labels are e-values: their mean over all ways to choose the canaries is 1, exactly."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.judge.arms import Layout
from tidegate.judge.comparison import MatchedSet
from tidegate.judge.exchange import log_evalues, reach

values = st.floats(-1e3, 1e3, allow_nan=False).map(lambda value: round(value, 3))
shapes = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=2)


def layouts(shapes):
    """Every way to choose the canaries of sets of these shapes, as layouts over the same hosts."""
    sets, first = [], 0
    for ours, theirs in shapes:
        hosts = [f"h{first + number}" for number in range(ours + theirs)]
        first += ours + theirs
        sets.append([(chosen, [h for h in hosts if h not in chosen]) for chosen in combinations(hosts, ours)])
    names = [f"h{number}" for number in range(first)]
    for choice in product(*sets):
        yield Layout.of([MatchedSet(tuple(ours), tuple(theirs)) for ours, theirs in choice], names)


@given(st.data(), shapes)
@settings(deadline=None, max_examples=60)
def test_the_mean_over_all_choices_of_canaries_is_at_most_one(data, shapes):
    hosts = sum(ours + theirs for ours, theirs in shapes)
    row = np.array([data.draw(st.lists(values, min_size=hosts, max_size=hosts))])
    mean = np.mean([np.exp(log_evalues(row, layout)[0]) for layout in layouts(shapes)])
    even = all(max(shape) <= 2 * min(shape) for shape in shapes)
    assert mean <= 1 + 1e-9
    if even:
        assert mean == pytest.approx(1.0)


@given(st.data(), st.floats(0.1, 1e3), st.floats(-1e3, 1e3))
@settings(deadline=None)
def test_neither_unit_nor_what_hits_a_whole_pop_matters(data, unit, incident):
    layout = next(layouts([(2, 2), (1, 2)]))
    row = np.array([data.draw(st.lists(values, min_size=7, max_size=7, unique=True))])
    hit = row * unit + incident * (np.arange(7) < 4)
    assert log_evalues(hit, layout) == pytest.approx(log_evalues(row, layout), abs=1e-3)


def test_a_gross_failure_comes_near_what_the_number_of_hosts_can_tell():
    layout = next(layouts([(3, 3)] * 5))
    row = np.where(np.arange(30) % 6 < 3, 100.0, 0.0) + np.random.default_rng(1).random(30)
    assert reach(layout) - 3.5 < log_evalues(row[None], layout)[0] <= reach(layout)


def test_hosts_without_data_are_left_out():
    whole = next(layouts([(2, 2), (2, 2)]))
    part = next(layouts([(2, 1), (2, 2)]))
    row = np.random.default_rng(2).standard_normal(8)
    holed = np.where(np.arange(8) == 3, np.nan, row)
    assert log_evalues(holed[None], whole) == pytest.approx(log_evalues(np.delete(row, 3)[None], part))


def test_a_set_without_one_arm_says_nothing():
    layout = next(layouts([(1, 1), (1, 1)]))
    row = np.array([[1.0, 0.0, 5.0, np.nan]])
    alone = next(layouts([(1, 1)]))
    assert log_evalues(row, layout) == pytest.approx(log_evalues(row[:, :2], alone))


@pytest.mark.parametrize("level", [0.0, 1.0, 1e9])
def test_what_does_not_differ_is_no_evidence(level):
    layout = next(layouts([(3, 3)]))
    assert log_evalues(np.full((2, 6), level), layout) == pytest.approx([0.0, 0.0])


def test_in_sets_with_few_canaries_more_variation_is_no_evidence():
    rng = np.random.default_rng(3)
    layout = Layout.of(
        [MatchedSet((f"c{n}", f"d{n}"), tuple(f"b{n}.{m}" for m in range(10))) for n in range(10)],
        [f"{arm}{n}" for n in range(10) for arm in "cd"] + [f"b{n}.{m}" for n in range(10) for m in range(10)],
    )
    rows = rng.standard_normal((3000, 120))
    rows[:, :20] *= 3
    assert np.exp(log_evalues(rows, layout)).mean() < 1.3
