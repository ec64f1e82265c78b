"""Raw series to numbers per host and tick."""

import numpy as np
import pytest
from series import BEFORE, CHANGED, STEP, comparison, now

from tidegate.judge.blocks import blocks
from tidegate.judge.changes import changes
from tidegate.judge.comparison import Comparison
from tidegate.judge.metric import Definition, Metric, Samples

COUNTER = Definition("errors", "counter")
GAUGE = Definition("load")
ONE = Comparison(("c",), {"c": ("b",)}, (0.0, 120.0), 120.0, warmup=60.0, step=60.0, planned=3)
"""Two ticks before; ticks end at 240, 300, …"""


def made(definition, times, values, at=300.0, exposure=None):
    metric = Metric(definition, {"c": Samples.of(times, values)}, exposure)
    return blocks(metric, ONE, ["c"], at)


def test_a_gauge_is_its_mean_in_each_tick_and_the_warmup_is_left_out():
    found = made(GAUGE, [30, 60, 90, 150, 200, 240, 250], [1, 3, 5, 1000, 7, 9, 11])
    assert found.before[:, :, 0].tolist() == [[4.0, 5.0], [2.0, 1.0]]
    assert found.after[:, :, 0].tolist() == [[16.0, 11.0], [2.0, 1.0]]


def test_a_counter_is_its_growth_over_the_time_it_was_watched():
    found = made(COUNTER, [0, 60, 120, 180, 240, 300], [5, 6, 8, 100, 103, 103])
    assert found.before[:, :, 0].tolist() == [[1.0, 2.0], [60.0, 60.0]]
    assert found.after[:, :, 0].tolist() == [[3.0, 0.0], [60.0, 60.0]]


def test_a_counter_that_starts_over_goes_on_from_zero():
    found = made(COUNTER, [0, 60, 120, 180, 240, 300], [5, 6, 8, 10, 2, 6])
    assert found.after[0, :, 0].tolist() == [2.0, 4.0]
    assert found.resets.tolist() == [1.0]


def test_a_restart_with_the_change_is_no_reset_that_counts():
    found = made(COUNTER, [0, 60, 120, 150, 180, 240, 300], [5, 6, 8, 0, 1, 2, 4])
    assert found.resets.tolist() == [0.0]
    assert found.after[0, :, 0].tolist() == [1.0, 2.0]


def test_exposure_takes_the_place_of_time():
    times = [0, 60, 120, 180, 240, 300]
    requests = {"c": Samples.of(times, [0, 10, 20, 30, 130, 20])}
    found = made(COUNTER, times, [0, 1, 2, 3, 4, 5], exposure=requests)
    assert found.after[1, :, 0].tolist() == [100.0, 20.0]


@pytest.mark.parametrize("definition", [COUNTER, GAUGE])
def test_no_samples_are_no_exposure(definition):
    found = made(definition, [], [])
    assert not found.before.any()
    assert not found.after.any()
    assert np.isinf(found.age[0])


def test_samples_that_are_none_are_counted_and_left_out():
    found = made(GAUGE, [30, 200, 230, 300], [1, np.nan, np.inf, 2])
    assert found.broken.tolist() == [2.0]
    assert found.after[:, :, 0].tolist() == [[0.0, 2.0], [0.0, 1.0]]


def test_on_a_logarithmic_scale_zero_is_no_sample():
    found = made(Definition("latency", log=True), [30, 200, 230, 300], [1, 0, np.e, 1])
    assert found.broken.tolist() == [1.0]
    assert found.after[0, :, 0] == pytest.approx([1.0, 0.0])


def test_only_complete_ticks_are_judged():
    assert made(GAUGE, [30], [1], at=299.0).after.shape == (2, 1, 1)
    assert made(GAUGE, [30], [1], at=100.0).after.shape == (2, 0, 1)


def test_a_host_counts_while_half_of_its_window_is_covered():
    chosen = comparison(1, 1, 1)
    times = np.arange(CHANGED - BEFORE * STEP, now(10) + 1, STEP)
    dark = times <= now(3)
    metric = Metric(
        GAUGE, {"c0.p0": Samples(times[dark], np.ones(dark.sum())), "b0.p0": Samples(times, np.ones(len(times)))}
    )
    found = changes(blocks(metric, chosen, ["c0.p0", "b0.p0"], now(10)), chosen.planned)
    assert np.isfinite(found.change[:, 0]).tolist() == [True] * 6 + [False] * 4
    assert np.isfinite(found.change[:, 1]).all()
    assert not np.isfinite(found.recent[-1, 0])
