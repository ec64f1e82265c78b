"""The error rates, on few runs: `script/bench judge` has the table of many."""

import numpy as np
import pytest
from judging import damage, noise
from judging.cells import ERRORS, RATE, matched_spread
from judging.kayenta import is_high, shift, without_outliers
from judging.trial import outcomes
from judging.world import Cell
from scipy.optimize import bisect
from scipy.special import ndtri
from scipy.stats import rankdata

RUNS = 150
"""Seven false aborts or more in 150 runs have a chance of 2 % where 2 % is the rate."""


@pytest.mark.parametrize("made", [noise.autocorrelated(0.9), noise.diurnal(), noise.offsets(), noise.lognormal()])
def test_false_aborts_are_rare(made):
    assert (outcomes(Cell("", made), RUNS, kayenta=False).aborted > 0).sum() <= 6


def test_false_aborts_of_sparse_counts_are_rare():
    cell = Cell("", noise.counts(RATE, 1.0, 0.1), definition=ERRORS)
    assert (outcomes(cell, RUNS, kayenta=False).aborted > 0).sum() <= 6


def test_five_times_the_errors_are_found():
    cell = Cell("", noise.counts(RATE), damage.more_events(RATE, 5), definition=ERRORS)
    assert (outcomes(cell, 60, kayenta=False).aborted > 0).mean() > 0.9


def test_one_standard_deviation_is_found():
    cell = Cell("", noise.autocorrelated(0.5), damage.step(matched_spread(0.5)[0]))
    assert (outcomes(cell, 60, kayenta=False).aborted > 0).mean() > 0.95


def test_kayenta_s_interval_is_the_root_that_it_says():
    rng = np.random.default_rng(4)
    for _ in range(20):
        canary, baseline = rng.standard_normal(12) + 0.5, rng.standard_normal(15)
        low, estimate = shift(canary, baseline)

        def excess(by, quantile, canary=canary, baseline=baseline):
            ranks = rankdata(np.concatenate([canary - by, baseline]))
            middle = ranks[:12].sum() - 12 * 13 / 2 - 12 * 15 / 2
            return (middle - np.sign(middle) * 0.5) / np.sqrt(12 * 15 * 28 / 12) - quantile

        ends = canary.min() - baseline.max(), canary.max() - baseline.min()
        assert low == pytest.approx(bisect(excess, *ends, args=(ndtri(0.99),), xtol=1e-9), abs=1e-6)
        assert excess(estimate - 1e-9, 0) >= 0 >= excess(estimate + 1e-9, 0)


def test_kayenta_drops_what_is_beyond_its_fences():
    values = np.concatenate([np.random.default_rng(5).random(300), [1000.0]])
    assert 1000.0 not in without_outliers(values)
    assert not is_high(np.ones(5), np.ones(5))
    assert is_high(np.arange(30.0) + 100, np.arange(30.0))
