"""Data that are not what they should be: each fault has a verdict that is never pass, and says why in words."""

import numpy as np
import pytest
from series import CHANGED, ERRORS, GAUGE, STEP, WARMUP, comparison, counter, gauge, now, spoiled

from tidegate.judge.comparison import Comparison
from tidegate.judge.judge import judge
from tidegate.judge.metric import Definition, Metric, Samples

CHOSEN = comparison()
CANARIES = list(CHOSEN.canaries)
BASELINES = [f"b{number}.p{pop}" for pop in range(10) for number in range(3)]


def nan(times, values):
    return times, np.full(len(values), np.nan)


def gone(times, values):
    return None


def late(times, values):
    early = times < now(26)
    return times[early], values[early]


def still(times, values):
    return times, np.where(times > CHANGED, 100.0, values)


def without_past(times, values):
    recent = times > CHANGED
    return times[recent], values[recent]


def starts_over(times, values):
    return times, np.where(times > now(5), values - values[times <= now(5)][-1], values)


def silent(times, values):
    return times, np.where(times > CHANGED, values[times <= CHANGED][-1], values)


LOUD = Definition("errors", "counter", margin=0.05, relative=False)

FAULTS = {
    "provider": (Metric(GAUGE, failure="connection refused"), "connection refused"),
    "empty": (Metric(GAUGE), "no data for any of the hosts"),
    "nan": (spoiled(gauge(CHOSEN), CANARIES + BASELINES, nan), "NaN"),
    "nan on some": (spoiled(gauge(CHOSEN), CANARIES[:5], nan), "c0.p0, c1.p0, c2.p0 and 2 more are NaN"),
    "no canaries": (spoiled(gauge(CHOSEN), CANARIES, gone), "none of the canaries has data"),
    "no baselines": (spoiled(gauge(CHOSEN), BASELINES, gone), "none of the baselines has data"),
    "some canaries": (spoiled(gauge(CHOSEN), CANARIES[:4], gone), "4 of 30 canaries lack data"),
    "late": (spoiled(gauge(CHOSEN), CANARIES, late), "30 of 30 canaries have no recent samples"),
    "late baselines": (spoiled(gauge(CHOSEN), BASELINES, late), "30 of 30 baselines have no recent samples"),
    "constant": (spoiled(gauge(CHOSEN), CANARIES + BASELINES, still), "never changes on 30 of 30 canaries"),
    "stuck canaries": (spoiled(gauge(CHOSEN), CANARIES, still), "never changes on 30 of 30 canaries"),
    "no past": (spoiled(gauge(CHOSEN), CANARIES + BASELINES, without_past), "from before the change"),
    "reset": (spoiled(counter(CHOSEN), CANARIES[:1], starts_over), "started over since the warm-up on c0.p0"),
    "silence": (spoiled(counter(CHOSEN, LOUD), CANARIES, silent), "counted nothing on any canary"),
    "definition": (Metric(Definition("x", margin=0.0)), "must be above 0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_inconclusive_and_says_what_it_is(name):
    metric, words = FAULTS[name]
    found = judge([metric], CHOSEN, now(30))
    assert found.outcome == "inconclusive"
    assert words in found.reason
    assert found.metrics[0].faults


def test_the_same_data_without_a_fault_pass():
    for metric in (gauge(CHOSEN), counter(CHOSEN, rate=0.1), counter(CHOSEN, LOUD, rate=0.1)):
        assert judge([metric], CHOSEN, now(30)).outcome == "pass"


def test_one_metric_that_cannot_be_had_keeps_all_from_passing():
    found = judge([gauge(CHOSEN), Metric(ERRORS, failure="timed out")], CHOSEN, now(30))
    assert found.outcome == "inconclusive"
    assert found.reason == "errors: nothing can be said: the provider gave no data: timed out"
    assert [each.outcome for each in found.metrics] == ["pass", "inconclusive"]


def test_a_single_host_is_never_enough_to_pass():
    for shape in ((1, 1, 1), (1, 1, 5), (1, 5, 1)):
        chosen = comparison(*shape)
        found = judge([gauge(chosen, spread=0.01)], chosen, now(30))
        assert found.outcome == "inconclusive"
        assert "one host among" in found.reason


def test_nobody_to_compare_with():
    chosen = Comparison(("c0.p0",), {"c0.p0": ()}, (CHANGED - 600, CHANGED), CHANGED, WARMUP, STEP)
    found = judge([gauge(comparison(1, 1, 1))], chosen, now(30))
    assert found.outcome == "inconclusive"
    assert "no host like the canaries is left without the release" in found.reason


def test_no_metric_is_no_pass():
    assert judge([], CHOSEN, now(30)).outcome == "inconclusive"


def test_before_the_first_tick_nothing_is_said():
    found = judge([gauge(CHOSEN)], CHOSEN, now(0) + 30)
    assert (found.outcome, found.tick) == ("inconclusive", 0)
    assert "no tick is complete" in found.reason


def test_a_margin_relative_to_nothing():
    definition = Definition("errors", "counter", margin=0.5, quiet=True)
    found = judge([spoiled(counter(CHOSEN, definition), CANARIES + BASELINES, silent)], CHOSEN, now(30))
    assert found.outcome == "inconclusive"
    assert "give an absolute one" in found.reason


def test_counters_at_zero_pass_if_that_is_normal_and_the_margin_is_absolute():
    found = judge([counter(CHOSEN, rate=0.0)], CHOSEN, now(30))
    assert found.outcome == "pass"
    assert 0 < found.metrics[0].high < ERRORS.margin


def test_a_deterioration_is_seen_through_faults():
    bad = spoiled(gauge(CHOSEN, shift=60.0), CANARIES[:6], gone)
    found = judge([bad], CHOSEN, now(10))
    assert found.outcome == "fail"
    assert found.metrics[0].faults


def test_a_difference_that_may_have_been_there_all_along_stops_nothing():
    bad = spoiled(gauge(CHOSEN, shift=60.0), CANARIES + BASELINES, without_past)
    found = judge([bad], CHOSEN, now(30))
    assert found.outcome == "inconclusive"
    assert found.metrics[0].effect == pytest.approx(60, abs=2)


def test_a_few_gaps_and_one_dark_baseline_do_no_harm():
    def holed(times, values):
        kept = np.random.default_rng(len(values)).random(len(times)) > 0.2
        return times[kept], values[kept]

    metric = spoiled(spoiled(gauge(CHOSEN), CANARIES, holed), BASELINES[:1], gone)
    assert judge([metric], CHOSEN, now(30)).outcome == "pass"


def test_samples_on_the_way_are_not_missed_at_once():
    def behind(times, values):
        there = times <= now(29) + 10
        return times[there], values[there]

    assert judge([spoiled(gauge(CHOSEN), CANARIES, behind)], CHOSEN, now(30)).outcome == "pass"


def test_series_of_strangers_do_not_matter():
    metric = gauge(CHOSEN)
    more = Metric(GAUGE, {**metric.series, "stranger": Samples.of([1, 2], [3, 4])})
    assert judge([more], CHOSEN, now(30)) == judge([metric], CHOSEN, now(30))
