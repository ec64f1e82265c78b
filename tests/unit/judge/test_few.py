"""The tests for a handful of hosts are e-values under the models that they name."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import trapezoid

from tidegate.judge.arms import Layout
from tidegate.judge.comparison import MatchedSet
from tidegate.judge.estimate import Estimate, estimate
from tidegate.judge.few import LIKENESS, log_evalues_of_counts, log_evalues_of_levels

PAIR = Layout.of([MatchedSet(("c",), ("b",))], ["c", "b"])


@pytest.mark.parametrize("freedom", [2, 3, 5])
def test_of_levels_the_mean_is_one_for_normal_hosts(freedom):
    # Most of the mean is in the far tail: integrated over the logarithm of the statistic.
    grid = np.linspace(-20, 25, 200_001)
    seen = np.exp(grid)
    ones = np.ones_like(seen)
    logs = log_evalues_of_levels(Estimate(seen, ones, freedom * ones, ones), np.zeros_like(seen))
    assert trapezoid(np.exp(logs + stats.t.logpdf(seen, freedom)) * seen, grid) == pytest.approx(1.0, abs=1e-3)
    assert log_evalues_of_levels(Estimate(-ones, ones, freedom * ones, ones), 0 * ones).max() == -np.inf


def test_of_levels_more_hosts_than_are_believed_only_make_it_smaller():
    share = (np.arange(100_000) + 0.5) / 100_000
    seen = stats.t.ppf(share, 30)
    ones = np.ones_like(seen)
    logs = log_evalues_of_levels(Estimate(seen, ones, 30 * ones, ones), np.zeros_like(seen))
    assert np.exp(logs).mean() < 1


def test_of_counts_the_mean_is_one_for_hosts_as_alike_as_is_taken():
    total = 60
    ours = np.arange(total + 1.0)
    after = np.stack([np.stack([ours, total - ours], axis=1), np.full((total + 1, 2), 10.0)])
    logs = log_evalues_of_counts(np.zeros((2, 0, 2)), after, PAIR)
    chances = stats.betabinom.pmf(ours, total, LIKENESS / 2, LIKENESS / 2)
    assert (chances * np.exp(logs)).sum() == pytest.approx(1.0)


def test_of_counts_what_was_there_before_is_no_evidence():
    after = np.array([[[100.0, 10.0]], [[10.0, 10.0]]])
    alike = np.array([np.full((10, 2), 5.0), np.ones((10, 2))])
    unlike = np.array([np.tile([50.0, 5.0], (10, 1)), np.ones((10, 2))])
    assert log_evalues_of_counts(alike, after, PAIR)[0] > 3
    assert log_evalues_of_counts(unlike, after, PAIR)[0] < 1.5


def test_of_counts_events_in_bunches_count_less():
    after = np.array([[[60.0, 5.0]], [[10.0, 10.0]]])
    steady = np.array([np.full((20, 2), 1.0), np.ones((20, 2))])
    bunched = steady.copy()
    bunched[0] = 0
    bunched[0, 3] = 20
    assert log_evalues_of_counts(bunched, after, PAIR)[0] < log_evalues_of_counts(steady, after, PAIR)[0] / 2


def test_of_counts_fewer_is_the_other_way_round():
    before = np.array([np.full((10, 2), 5.0), np.ones((10, 2))])
    after = np.array([[[2.0, 90.0]], [[10.0, 10.0]]])
    assert log_evalues_of_counts(before, after, PAIR)[0] < 0
    assert log_evalues_of_counts(before, after, PAIR, fewer=True)[0] > 3


def test_without_spread_nothing_is_known():
    layout = Layout.of([MatchedSet(("c", "d"), ("b", "e"))], ["c", "d", "b", "e"])
    found = estimate(np.array([[1.0, 1.0, 0.0, 0.0]]), layout)
    assert log_evalues_of_levels(found, np.zeros(1))[0] == -np.inf
