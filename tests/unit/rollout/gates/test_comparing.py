"""Hosts with the release against hosts without it, through the gate and a real Prometheus."""

import json
from dataclasses import replace

import past
import pytest
from asked import judged
from past import BASELINE, CANARIES, CHANGED, timing

from tidegate.judge.case import Case
from tidegate.policy.compared import Compared, Judge
from tidegate.rollout.gates import comparing
from tidegate.rollout.gates.timing import Timing
from tidegate.rollout.verdict import Verdict

PER_HOST = '{{host=~"{{{{ hosts }}}}"}}'


def metric(name, margin="10%", **settings):
    kind = "counter" if name.endswith("_total") else "gauge"
    return {"name": name, "query": f"{name}{PER_HOST.format()}", "kind": kind, "margin": margin, **settings}


def metrics(server, *compare, minutes=31.0, hosts=CANARIES, judge=None, queries=(), **context):
    """The verdict; its settings are what the policy makes of these."""
    known = {"timing": timing(minutes), "baseline": BASELINE, "elapsed": 60 * minutes, **context}
    settings = {
        "prometheus": getattr(server, "url", server),
        "queries": list(queries),
        "time": 10,
        "compare": [Compared.model_validate(one).settings() for one in compare],
        "judge": Judge.model_validate({"behind": "0s", **(judge or {})}).settings(),
    }
    return judged("metrics", hosts, settings=settings, **known)


def faults(verdict):
    return {one["name"]: set(one["faults"]) for one in verdict.evidence["judge"]["metrics"]}


# --- what it decides -------------------------------------------------------------------------------------------------


def test_a_release_that_changes_nothing_passes_at_the_end_of_its_soak_and_not_before(remembered):
    compare = (metric("good"), metric("good_total", "50%"), metric("share", 0.05, kind="bounded", min=0, max=1))
    early = metrics(remembered, *compare, minutes=20.0)
    assert (early.outcome, early.then) == ("inconclusive", "wait")
    late = metrics(remembered, *compare)
    assert (late.outcome, late.then) == ("pass", ""), late.reason
    assert "all 3 metrics are shown to be within the margin" in late.reason


@pytest.mark.parametrize("name", ["worse", "worse_total", "slow"])
def test_a_deterioration_aborts_long_before_the_soak_is_over(remembered, name):
    kind = {"kind": "latency"} if name == "slow" else {}
    verdict = metrics(remembered, metric("good"), metric(name, **kind), minutes=10.0)
    assert verdict.outcome == "fail", verdict.reason
    assert f"{name}: it got worse" in verdict.reason


def test_events_count_against_their_exposure(remembered):
    """Ten times the errors among ten times the requests are none more of them; here requests stayed the same."""
    exposure = f"requests_total{PER_HOST.format()}"
    assert metrics(remembered, metric("worse_total", 0.01, exposure=exposure)).outcome == "fail"
    assert metrics(remembered, metric("good_total", 0.02, exposure=exposure)).outcome == "pass"
    both = metric("worse_total", 0.5, exposure=f"worse_total{PER_HOST.format()}")
    assert metrics(remembered, both).outcome != "fail"


def test_what_hits_a_whole_pop_is_not_blamed_on_the_release(remembered):
    assert metrics(remembered, metric("incident")).outcome == "pass"


def test_hosts_that_always_differed_are_compared_by_what_changed(remembered):
    assert metrics(remembered, metric("noisy", 5)).outcome == "pass"


@pytest.mark.parametrize(
    ("undecided", "minutes", "expected"),
    [
        ("extend", 31.0, ("inconclusive", "wait")),
        ("pause", 31.0, ("inconclusive", "pause")),
        ("fail", 31.0, ("fail", "")),
        ("fail", 20.0, ("inconclusive", "wait")),
    ],
)
def test_who_does_not_know_does_what_the_policy_says(remembered, undecided, minutes, expected):
    judge = {"undecided": undecided}
    before = metrics(remembered, metric("wild", 1), minutes=minutes - 5, judge=judge)
    verdict = metrics(remembered, metric("wild", 1), minutes=minutes, judge=judge, earlier=before)
    assert (verdict.outcome, verdict.then) == expected, verdict.reason
    assert "at tick" in verdict.reason


def test_an_extension_ends_with_a_pause_and_whoever_goes_on_has_another_soak(remembered):
    judge = {"undecided": "extend", "extension": "5m"}
    first = metrics(remembered, metric("wild", 1), minutes=30.0, judge=judge)
    assert (first.then, first.evidence["judge"]["until"]) == ("wait", 33)
    paused = metrics(remembered, metric("wild", 1), minutes=36.0, judge=judge, earlier=first)
    assert paused.then == "pause"
    again = metrics(remembered, metric("wild", 1), minutes=36.0, judge=judge)
    assert (again.then, again.evidence["judge"]["until"]) == ("wait", 34 + 28)


def test_a_query_with_bounds_decides_beside_it(remembered):
    bad = {"name": "always", "query": "vector(9)", "max": 1}
    empty = {"name": "gone", "query": "nothing_of_this_name", "max": 1}
    good = {"name": "fine", "query": "vector(0)", "max": 1}
    assert metrics(remembered, metric("good"), queries=[bad]).outcome == "fail"
    assert metrics(remembered, metric("good"), queries=[good]).outcome == "pass"
    unanswered = metrics(remembered, metric("good"), queries=[empty], minutes=10.0)
    assert (unanswered.outcome, unanswered.then) == ("inconclusive", ""), "its time must not count"
    assert metrics(remembered, metric("worse"), queries=[empty], minutes=10.0).outcome == "fail"


# --- what is wrong with data: never a pass, and why in words ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings", "fault", "words"),
    [
        ("nothing", {}, "empty", "no data for any of the hosts"),
        ("broken", {}, "nan", "are NaN or infinite"),
        ("no_canaries", {}, "missing", "none of the canaries has data"),
        ("no_baselines", {}, "missing", "none of the baselines has data"),
        ("no_past", {}, "past", "a difference may have been there all along"),
        ("ended", {}, "missing", "8 of 24 canaries lack data"),
        ("still", {}, "constant", "never changes"),
        ("silent_total", {}, "constant", "counted nothing on any canary"),
        ("reset_total", {"margin": "50%"}, "reset", "started over since the warm-up on c0.p0"),
        ("good", {"kind": "bounded", "min": 0, "max": 1}, "nan", "every sample"),
        ("good", {"query": 'sum(good{host=~"{{ hosts }}"})'}, "provider", "no label 'host'"),
        ("good", {"query": '{__name__=~"good|worse", host=~"{{ hosts }}"}'}, "provider", "more than one series"),
        ("good", {"query": 'sum(good{host=~"{{ hosts }}"}) by ('}, "provider", "does not take the query"),
    ],
)
def test_faulty_data_never_pass(remembered, name, settings, fault, words):
    verdict = metrics(remembered, metric(name, **{"margin": "10%", **settings}), minutes=38.0)
    assert verdict.outcome == "inconclusive"
    assert faults(verdict)[name] == {fault} or fault in faults(verdict)[name]
    assert words in verdict.reason


def test_samples_that_stop_coming_are_late(remembered):
    verdict = metrics(remembered, metric("ended"), minutes=18.5)
    assert (verdict.outcome, faults(verdict)) == ("inconclusive", {"ended": {"late"}})
    assert "no recent samples" in verdict.reason


def test_a_single_host_never_passes(remembered):
    host = CANARIES[0]
    verdict = metrics(remembered, metric("good"), hosts=(host,), baseline={host: BASELINE[host]}, minutes=38.0)
    assert (verdict.outcome, faults(verdict)) == ("inconclusive", {"good": {"single"}})
    assert "that may be the host, not the release" in verdict.reason


def test_nobody_to_compare_with_is_for_people_at_once(remembered):
    verdict = metrics(remembered, metric("good"), baseline={}, minutes=1.0)
    assert (verdict.outcome, verdict.then) == ("inconclusive", "pause")
    assert "nobody to compare with" in verdict.reason
    assert metrics(remembered, metric("good"), baseline={}, judge={"undecided": "fail"}).outcome == "fail"


def test_a_wave_of_which_nobody_knows_when_it_changed_is_not_judged(remembered):
    verdict = metrics(remembered, metric("good"), timing=None)
    assert (verdict.outcome, verdict.then) == ("inconclusive", "")


def test_a_server_that_is_down_costs_its_time_once_and_its_rounds_count_as_lost(remembered):
    verdict = metrics("http://127.0.0.1:9", metric("good"), metric("worse"))
    assert (verdict.outcome, verdict.then) == ("inconclusive", "")
    assert "does not answer" in verdict.reason
    assert set(faults(verdict)) == {"good", "worse"}


def test_a_server_that_doubts_its_answer_is_not_believed(crooked):
    series = [{"metric": {"host": host}, "values": [[CHANGED + 60 * n, "1"] for n in range(30)]} for host in past.HOSTS]
    data = {"resultType": "matrix", "result": series}
    crooked.says(data, warnings=["a store was down"])
    verdict = metrics(crooked, metric("good"))
    assert verdict.outcome == "inconclusive"
    assert "a store was down" in verdict.reason


# --- with whom -------------------------------------------------------------------------------------------------------


def former(settled):
    """Hosts of promoted waves for the last wave, which nobody else is like."""
    return {host: tuple((name, settled) for name in names) for host, names in BASELINE.items()}


def test_the_last_wave_is_compared_with_hosts_that_changed_longest_ago(remembered):
    last = {"baseline": dict.fromkeys(CANARIES, ())}
    long_ago = former(CHANGED - 2 * 3600)
    assert metrics(remembered, metric("good"), former=long_ago, **last).outcome == "pass"
    assert metrics(remembered, metric("worse"), former=long_ago, minutes=10.0, **last).outcome == "fail"


def test_the_time_before_is_cut_to_when_they_had_settled(remembered):
    verdict = metrics(
        remembered, metric("good"), former=former(CHANGED - 1000), baseline={}, minutes=31.0, judge={"warmup": "2m"}
    )
    assert verdict.outcome == "pass", verdict.reason
    assert verdict.evidence["recording"]["comparison"]["before"] == [CHANGED - 1000 + 120, CHANGED]


def test_hosts_that_changed_just_now_are_no_baseline(remembered):
    verdict = metrics(remembered, metric("good"), former=former(CHANGED - 100), baseline={})
    assert (verdict.outcome, verdict.then) == ("inconclusive", "pause")


def test_a_promoted_wave_is_not_compared_its_baseline_gets_the_release(remembered):
    promoted = replace(timing(10.0), promoted=True)
    verdict = metrics(remembered, metric("worse"), timing=promoted)
    assert (verdict.outcome, verdict.evidence.get("judge")) == ("pass", None)


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_only_what_decides_is_kept_with_its_data_and_once(remembered):
    going = metrics(remembered, metric("good"), minutes=20.0)
    assert "recording" not in going.evidence
    decided = metrics(remembered, metric("good"))
    assert "recording" in decided.evidence
    again = metrics(remembered, metric("good"), earlier=decided)
    assert (again.outcome, "recording" in again.evidence) == ("pass", False)


def test_what_is_kept_is_judged_the_same_again(remembered):
    verdict = metrics(remembered, metric("good"), metric("worse"), minutes=12.0)
    kept = Verdict.of(json.loads(json.dumps(verdict.as_dict())))
    case = Case.of(kept.evidence)
    assert case.replayed().as_dict() == case.judgement.as_dict()
    assert case.judgement.outcome == "fail"


def test_evidence_goes_on_over_rounds_and_over_a_restart(remembered):
    """Every round judges all there is since the change, so a course of a later one begins as an earlier one did."""
    early, late = (metrics(remembered, metric("good"), minutes=minutes).evidence for minutes in (12.0, 31.0))
    assert (early["judge"]["tick"], late["judge"]["tick"]) == (10, 29)
    (whole,) = Case.of(late).judgement.metrics
    assert whole.course.evidence == tuple(sorted(whole.course.evidence)), "it never falls"
    assert whole.course.evidence[9] == pytest.approx(early["judge"]["metrics"][0]["evidence"], rel=1e-3)


def test_a_case_that_is_too_large_keeps_what_decided_at_the_same_threshold(remembered, monkeypatch):
    compare = [metric("good"), metric("worse"), metric("incident")]
    whole = metrics(remembered, *compare, minutes=10.0)
    size = len(json.dumps(Case.of(whole.evidence).as_dict()))
    monkeypatch.setattr(comparing, "LARGEST", size // 2)
    part = metrics(remembered, *compare, minutes=10.0)
    assert part.evidence["left_out"] == 2
    case = Case.of(part.evidence)
    assert [each.name for each in case.judgement.metrics] == ["worse"]
    assert case.judgement.threshold == pytest.approx(Case.of(whole.evidence).judgement.threshold)
    assert case.replayed().as_dict() == case.judgement.as_dict()


def test_an_answer_too_large_for_one_is_asked_for_in_parts(remembered, monkeypatch):
    from tidegate.rollout.gates import series

    whole = metrics(remembered, metric("worse"), minutes=10.0)
    monkeypatch.setattr(series, "MOST_VALUES", 2000)
    assert metrics(remembered, metric("worse"), minutes=10.0).evidence == whole.evidence


def test_a_wave_whose_soak_has_not_a_tick_is_judged_by_one():
    from asked import context

    from tidegate.rollout.gates import sides

    given = context("metrics", CANARIES, settings={"judge": Judge().settings()}, baseline=BASELINE)
    found = sides.comparison(given, Timing(0.0, 1.0, 2.0, 0.0))
    assert found.planned == 1
