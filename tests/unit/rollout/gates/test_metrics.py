"""The metrics gate against a real Prometheus: thresholds, hosts, windows, and every way of having no answer."""

import signal
import time

import pytest
from asked import judged
from metered import HOSTS

WAVE = HOSTS[:2]
PER_HOST = 'errors{instance=~"{{ hosts }}:9100"}'


def metrics(server, *queries, hosts=WAVE, elapsed=120.0, more=(), **context):
    settings = {"prometheus": server.url, "queries": list(queries), "time": 5, **dict(more)}
    return judged("metrics", hosts, settings=settings, elapsed=elapsed, **context)


def query(text, name="errors", **limits):
    return {"name": name, "query": text, **(limits or {"max": 0.5})}


def errors(*values):
    return {host: f"errors {value}" for host, value in zip(HOSTS, values, strict=False)}


def test_within_its_limits_a_wave_passes_with_the_worst_series_as_evidence(metered):
    metered.export(errors(0.5, 0.1))
    verdict = metrics(metered, query(PER_HOST))
    assert (verdict.outcome, verdict.reason) == (
        "pass", "errors: 2 series, 0.5 of instance=edge1.lhr1:9100, job=edges, at most 0.5 is good",
    )  # fmt: skip
    [seen] = verdict.evidence["queries"]
    assert [(one["labels"]["instance"], one["value"]) for one in seen["worst"]] == [
        ("edge1.lhr1:9100", "0.5"), ("edge2.lhr1:9100", "0.1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [({"max": 0.6}, "pass"), ({"max": 0.59}, "fail"), ({"min": 0.1}, "pass"), ({"min": 0.2, "max": 9}, "fail")],
)
def test_one_series_outside_is_enough_to_fail(metered, limits, outcome):
    metered.export(errors(0.6, 0.1))
    assert metrics(metered, query(PER_HOST, **limits)).outcome == outcome


def test_only_the_hosts_of_the_wave_are_asked_for(metered):
    metered.export(errors(0, 0, 99))
    assert metrics(metered, query(PER_HOST)).outcome == "pass"
    verdict = metrics(metered, query(PER_HOST), promoted=HOSTS[2:])
    assert (verdict.outcome, verdict.reason[:29]) == ("fail", "errors (promoted): 99 of inst")


@pytest.mark.parametrize("quote", ['"', "'", "`"])
def test_hosts_match_exactly_in_every_quote_of_promql(metered, quote):
    metered.export(errors(0, 0, 99))
    verdict = metrics(metered, query(f"errors{{instance=~{quote}{{{{ hosts }}}}:9100{quote}}}"))
    assert (verdict.outcome, verdict.evidence["queries"][0]["series"]) == ("pass", 2)


def test_a_sum_over_the_wave_is_one_series(metered):
    metered.export(errors(0.3, 0.3))
    verdict = metrics(metered, query(f"sum({PER_HOST})"))
    assert (verdict.outcome, verdict.reason) == ("fail", "errors: 0.6, must be at most 0.5")


def test_a_rate_over_the_window_works(metered):
    metered.export(dict.fromkeys(HOSTS, "requests_total 5"))
    time.sleep(0.5)
    text = 'rate(requests_total{instance=~"{{ hosts }}:.+"}[{{ window }}])'
    assert metrics(metered, query(text), elapsed=60.0).outcome == "pass"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing_of_this_name", "no data"),
        (f"{PER_HOST} > 1000", "no data"),
        (f"{PER_HOST} * NaN", "is no number"),
        ("vector(1) / 0", "inf is no number"),
        ("0 / 0", "is no number"),
        ("errors{", "does not take the query"),
        ("errors[1m]", "gives a matrix"),
        ("'text'", "gives a string"),
        ("errors{{ nobody }}", "there are hosts and window"),
        ("errors{{ hosts", "cannot be filled in"),
        ("{{ hosts.__class__.__mro__ }}", "cannot be filled in"),
    ],
)
def test_what_is_no_answer_is_inconclusive(metered, text, said):
    metered.export(errors(0, 0))
    verdict = metrics(metered, query(text))
    assert verdict.outcome == "inconclusive"
    assert said.lower() in verdict.reason.lower()


def test_a_host_without_data_is_not_taken_for_good(metered):
    metered.export(errors(0))
    verdict = metrics(metered, query(PER_HOST))
    assert (verdict.outcome, verdict.reason) == ("inconclusive", "errors: no data of 1 of 2 hosts: edge2.lhr1")


def test_a_failure_elsewhere_counts_more_than_missing_data(metered):
    metered.export(errors(99))
    verdict = metrics(metered, query("nothing_here", name="none"), query(PER_HOST))
    assert (verdict.outcome, len(verdict.evidence["queries"])) == ("fail", 2)


@pytest.mark.parametrize("limits", [{"max": None}, {"max": "NaN"}, {"max": "many"}])
def test_a_query_without_a_limit_cannot_pass(metered, limits):
    metered.export(errors(0, 0))
    assert metrics(metered, query(PER_HOST, **limits)).outcome == "inconclusive"


def test_nothing_counts_that_was_measured_before_the_wave_had_the_release(metered):
    if metered.version < (2, 44):
        pytest.skip("Prometheus knows lookback_delta since 2.44 and ignores it before")
    ago = int((time.time() - 60) * 1000)
    metered.export(dict.fromkeys(WAVE, f"old_errors 0 {ago}"))
    text = 'old_errors{instance=~"{{ hosts }}:9100"}'
    assert metrics(metered, query(text), elapsed=20.0).outcome == "inconclusive"
    assert metrics(metered, query(text), elapsed=200.0).outcome == "pass"


def test_with_a_window_nothing_older_counts_on_any_prometheus(metered):
    ago = int((time.time() - 60) * 1000)
    metered.export(dict.fromkeys(WAVE, f"older_errors 0 {ago}"))
    text = 'last_over_time(older_errors{instance=~"{{ hosts }}:9100"}[{{ window }}])'
    assert metrics(metered, query(text), elapsed=20.0).outcome == "inconclusive"
    assert metrics(metered, query(text), elapsed=200.0).outcome == "pass"


def test_how_old_a_sample_may_be_is_told_to_the_server(crooked):
    crooked.has("0")
    assert metrics(crooked, query("x"), hosts=("a",), elapsed=20.0).outcome == "pass"
    assert "lookback_delta=20000ms" in crooked.requests[0][2]


def test_a_window_is_as_long_as_the_wave_has_the_release_and_no_longer_than_five_minutes(crooked):
    crooked.has("0")
    for elapsed in (20.7, 4000.0):
        metrics(crooked, query("x[{{ window }}]"), hosts=("a",), elapsed=elapsed)
    assert ["20s" in crooked.requests[0][2], "300s" in crooked.requests[1][2]] == [True, True]


def test_all_queries_together_end_in_time(crooked):
    crooked.has("0")
    crooked.silence = 0.4
    queries = [query(f"x{number}", name=f"q{number}") for number in range(20)]
    began = time.monotonic()
    verdict = metrics(crooked, *queries, hosts=("a",), more={"time": 1})
    assert time.monotonic() - began < 1.5
    assert verdict.outcome == "inconclusive"


def test_at_once_there_is_nothing_to_look_at_so_it_waits(crooked):
    crooked.has("0")
    began = time.monotonic()
    metrics(crooked, query("x[{{ window }}]"), hosts=("a",), elapsed=1.6)
    assert time.monotonic() - began >= 0.4
    assert "2s" in crooked.requests[0][2]


def test_a_query_that_does_not_ask_for_hosts_is_asked_once(metered):
    verdict = metrics(metered, query("vector(0)"), promoted=HOSTS[2:])
    assert (verdict.outcome, len(verdict.evidence["queries"])) == ("pass", 1)


def test_ten_thousand_hosts_fit_into_a_query(metered):
    metered.export(errors(0, 0))
    hosts = (*WAVE, *(f"edge{number}.some-pop-with-a-name.example.net" for number in range(10_000)))
    verdict = metrics(metered, query(PER_HOST), hosts=hosts)
    assert (verdict.outcome, verdict.reason[:37]) == ("inconclusive", "errors: no data of 10000 of 10002 hos")


def test_prometheus_slow_and_killed_in_the_middle(mortal):
    mortal.export(errors(0, 0))
    assert metrics(mortal, query(PER_HOST)).outcome == "pass"
    mortal.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    verdict = metrics(mortal, query(PER_HOST), query("vector(0)", name="second"), more={"time": 1})
    assert time.monotonic() - began < 2
    assert verdict.outcome == "inconclusive"
    assert "did not answer within 1.0 s" in verdict.reason
    mortal.process.kill()
    mortal.process.wait()
    verdict = metrics(mortal, query(PER_HOST))
    assert verdict.outcome == "inconclusive"
    assert "Connection refused" in verdict.reason
