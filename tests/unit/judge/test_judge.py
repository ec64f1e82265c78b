"""What the judge says of good and bad releases, and what holds however it is asked."""

from dataclasses import replace

import pytest
from series import CHANGED, GAUGE, comparison, counter, gauge, now

from tidegate.judge.judge import judge
from tidegate.judge.judgement import Judgement
from tidegate.judge.metric import Definition, Metric, Samples
from tidegate.judge.risk import Risk

CHOSEN = comparison()
LATENCY = Definition("latency", margin=0.1, log=True)


def test_a_good_release_passes_and_it_says_by_how_much():
    found = judge([gauge(CHOSEN), counter(CHOSEN, rate=0.1), gauge(CHOSEN, LATENCY)], CHOSEN, now(30))
    assert found.outcome == "pass"
    assert found.reason == "all 3 metrics are shown to be within the margin"
    for metric in found.metrics:
        assert metric.low < metric.effect < metric.high < metric.margin
        assert metric.reason.startswith("it got at most")


def test_a_bad_release_fails_within_three_ticks_and_it_says_what_and_why():
    found = judge([gauge(CHOSEN), counter(CHOSEN, rate=0.05, factor=20)], CHOSEN, now(3))
    assert found.outcome == "fail"
    assert [each.outcome for each in found.metrics] == ["pass", "fail"]
    assert "errors: it got worse: +" in found.reason
    assert "By chance alone" in found.reason


@pytest.mark.parametrize(
    ("worse", "shift", "outcome"),
    [
        ("higher", 30, "fail"),
        ("higher", -30, "pass"),
        ("lower", 30, "pass"),
        ("lower", -30, "fail"),
        ("either", 30, "fail"),
        ("either", -30, "fail"),
        ("either", 0, "pass"),
    ],
)
def test_the_direction_decides(worse, shift, outcome):
    metric = gauge(CHOSEN, replace(GAUGE, worse=worse), shift=shift)
    assert judge([metric], CHOSEN, now(30)).outcome == outcome


def test_latencies_are_compared_as_ratios():
    series = {
        host: Samples(each.times, each.values * (1.3 if host.startswith("c") and CHANGED else 1.0))
        for host, each in gauge(CHOSEN).series.items()
    }
    slower = {
        host: Samples(each.times, gauge(CHOSEN).series[host].values * (1 + 0.3 * (each.times > CHANGED)))
        if host.startswith("c")
        else each
        for host, each in gauge(CHOSEN).series.items()
    }
    assert judge([Metric(LATENCY, series)], CHOSEN, now(30)).outcome == "pass", "they were slower before, too"
    found = judge([Metric(LATENCY, slower)], CHOSEN, now(30))
    assert found.outcome == "fail"
    assert "+30" in found.reason


def test_what_is_tolerated_is_no_deterioration():
    plain, tolerant = replace(GAUGE, margin=0.2), replace(GAUGE, margin=0.2, tolerance=0.1)
    assert judge([gauge(CHOSEN, plain, shift=8)], CHOSEN, now(30)).outcome == "fail"
    assert judge([gauge(CHOSEN, tolerant, shift=8)], CHOSEN, now(30)).outcome == "pass"
    assert judge([gauge(CHOSEN, tolerant, shift=25)], CHOSEN, now(30)).outcome == "fail"


def test_an_incident_in_a_pop_is_not_blamed_on_the_release():
    series = {
        host: Samples(each.times, each.values + 500 * (each.times > now(3)) * host.endswith(("p1", "p4")))
        for host, each in gauge(CHOSEN).series.items()
    }
    assert judge([Metric(GAUGE, series)], CHOSEN, now(30)).outcome == "pass"


def test_hosts_that_always_differed_are_not_blamed_on_the_release():
    series = {
        host: Samples(each.times, each.values + 50 * host.startswith("c"))
        for host, each in gauge(CHOSEN).series.items()
    }
    assert judge([Metric(GAUGE, series)], CHOSEN, now(30)).outcome == "pass"


def test_asked_at_every_tick_it_goes_one_way():
    metrics = [gauge(CHOSEN, shift=6.0), counter(CHOSEN, factor=2)]
    courses = [[each.course for each in judge(metrics, CHOSEN, now(tick)).metrics] for tick in range(1, 31)]
    for number in range(len(metrics)):
        last = courses[-1][number]
        for tick, found in enumerate(courses, start=1):
            assert found[number].evidence == pytest.approx(last.evidence[:tick])
            assert found[number].low == pytest.approx(last.low[:tick], abs=1e-9)
        assert list(last.evidence) == sorted(last.evidence)


def test_many_metrics_are_no_licence_to_be_wrong():
    weak = gauge(CHOSEN, shift=2.0, seed=3)
    alone = judge([weak], CHOSEN, now(30))
    crowd = [replace(gauge(CHOSEN, seed=n), definition=replace(GAUGE, name=f"m{n}")) for n in range(20)]
    assert alone.outcome == "fail"
    assert judge([weak, *crowd], CHOSEN, now(30)).threshold == pytest.approx(alone.threshold + 1.322, abs=1e-3)
    assert judge([*crowd], CHOSEN, now(30)).outcome == "pass"


def test_metrics_that_are_each_a_little_worse_fail_together():
    metrics = [
        replace(gauge(CHOSEN, shift=1.45, seed=seed), definition=replace(GAUGE, name=f"m{seed}")) for seed in range(30)
    ]
    found = judge(metrics, CHOSEN, now(30), Risk(false_abort=0.5))
    total = sum(10**each.evidence for each in found.metrics)
    assert (found.outcome == "fail") == (total >= 30 / 0.5)


def test_a_handful_of_hosts_can_fail_but_says_what_it_takes_for_granted():
    chosen = comparison(2, 1, 3)
    found = judge([gauge(chosen, shift=100.0)], chosen, now(5))
    assert found.outcome == "fail"
    assert found.metrics[0].method == "levels"
    assert "it is taken that they vary normally" in found.reason
    counted = judge([counter(chosen, rate=0.05, factor=200)], chosen, now(5))
    assert counted.outcome == "fail"
    assert counted.metrics[0].method == "counts"


def test_of_two_hosts_what_is_gross_is_found_and_nothing_is_harmless():
    chosen = comparison(pops=1, canaries=1, baselines=1)
    broken = judge([counter(chosen, rate=0.5, factor=100)], chosen, now(3), Risk())
    assert broken.outcome == "fail"
    assert "against one host without the release, and how much exactly nobody can say" in broken.reason
    assert "each counts" in broken.reason
    assert judge([counter(chosen, rate=0.5)], chosen, now(30), Risk()).outcome == "inconclusive"


def test_a_canary_with_nobody_like_it_is_named():
    baseline = {**CHOSEN.baseline, "c9.p9": ()}
    chosen = replace(CHOSEN, canaries=(*CHOSEN.canaries, "c9.p9"), baseline=baseline)
    found = judge([gauge(CHOSEN)], chosen, now(30))
    assert found.outcome == "pass"
    assert "nothing is like c9.p9" in found.reason


def test_it_names_the_hosts_that_changed_most():
    bad = gauge(CHOSEN, shift=20.0)
    series = {
        **bad.series,
        "c1.p7": Samples(
            bad.series["c1.p7"].times, bad.series["c1.p7"].values + 300 * (bad.series["c1.p7"].times > CHANGED)
        ),
    }
    found = judge([Metric(GAUGE, series)], CHOSEN, now(30))
    assert found.metrics[0].worst[0][0] == "c1.p7"


def test_a_judgement_survives_the_journal():
    found = judge([gauge(CHOSEN, shift=6), counter(comparison(1, 1, 1)), Metric(GAUGE)], CHOSEN, now(9))
    once = Judgement.of(found.as_dict())
    assert once.as_dict() == found.as_dict()
    assert (once.outcome, once.reason, once.tick) == (found.outcome, found.reason, found.tick)


def test_the_order_of_hosts_means_nothing():
    metric = gauge(CHOSEN, shift=3)
    turned = replace(
        CHOSEN,
        canaries=CHOSEN.canaries[::-1],
        baseline=dict(reversed([(k, v[::-1]) for k, v in CHOSEN.baseline.items()])),
    )
    ours, theirs = judge([metric], CHOSEN, now(9)), judge([metric], turned, now(9))
    assert ours.metrics[0].effect == pytest.approx(theirs.metrics[0].effect)
    assert ours.metrics[0].evidence == pytest.approx(theirs.metrics[0].evidence)
