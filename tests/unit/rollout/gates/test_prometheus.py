"""Asking: ranges, and servers that are late, elsewhere, or no Prometheus at all. Each has its kind of error."""

import time

import pytest
from asked import judged
from metered import HOSTS

from tidegate.host.errors import Refused
from tidegate.rollout.gates import prometheus
from tidegate.rollout.gates.prometheus import BadAnswer, BadQuery, Prometheus, Unreachable


def test_a_range_has_its_points_in_order(metered):
    metered.export(dict.fromkeys(HOSTS, "ranged 7"))
    server = Prometheus(metered.url)
    end = time.time()
    answer = server.range('ranged{instance="edge1.lhr1:9100"}', end - 1, end, 0.25, 5)
    [series] = answer.series
    assert series.labels["instance"] == "edge1.lhr1:9100"
    assert series.points == tuple(sorted(series.points))
    assert {value for _, value in series.points} == {7.0}
    with pytest.raises(BadQuery, match="does not take the query"):
        server.range("errors[1m]", end - 1, end, 0.25, 5)


def test_values_are_read_as_prometheus_writes_them(crooked):
    crooked.has("1e-3", "+Inf", "-Inf", "NaN")
    values = [sample.value for sample in Prometheus(crooked.url).instant("x", 5).samples]
    assert values[:3] == [0.001, float("inf"), float("-inf")]
    assert values[3] != values[3]


def test_warnings_make_an_answer_inconclusive(crooked):
    crooked.has("0", warnings=["store 3 is down: partial response"])
    settings = {"prometheus": crooked.url, "queries": [{"name": "errors", "query": "x", "max": 1}]}
    verdict = judged("metrics", settings=settings, elapsed=60.0)
    assert (verdict.outcome, verdict.reason) == (
        "inconclusive", "errors: the server doubts its own answer: store 3 is down: partial response",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (200, b"<html>Welcome</html>", BadAnswer, "<html>Welcome"),
        (200, b"", BadAnswer, "HTTP 200"),
        (200, b"[]", BadAnswer, "like a Prometheus"),
        (200, b'{"status": "success"}', BadAnswer, "like a Prometheus"),
        (200, b'{"status": "success", "data": {"resultType": "vector", "result": [1]}}', BadAnswer, "like a"),
        (200, b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "x"]}}', BadAnswer, "like a"),
        (200, b"[" * 100_000, BadAnswer, "like a Prometheus"),
        (404, b"not here", BadAnswer, "HTTP 404"),
        (401, b"", Unreachable, "does not let us in"),
        (503, b'{"status": "error", "errorType": "unavailable", "error": "starting"}', Unreachable, "starting"),
        (422, b'{"status": "error", "errorType": "execution", "error": "too many"}', BadQuery, "too many"),
        (
            200,
            b'{"status": "success", "data": {"resultType": "vector", "result": [{"histogram": [1, {}]}]}}',
            BadQuery,
            "histogram_quantile",
        ),
    ],
)
def test_every_other_answer_has_its_kind(crooked, status, body, error, said):
    crooked.status, crooked.body = status, body
    with pytest.raises(error, match=said):
        Prometheus(crooked.url).instant("x", 5)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "http://127.0.0.1:1/", "ftp://127.0.0.1/"])
def test_nobody_is_followed_elsewhere(crooked, to):
    crooked.status, crooked.headers = 302, {"Location": to}
    with pytest.raises(Unreachable, match="sends its visitors elsewhere"):
        Prometheus(crooked.url).instant("x", 5)
    assert len(crooked.requests) == 1


@pytest.mark.parametrize("how", [{"silence": 30.0}, {"drip": 0.2, "body": b"x" * 1000}])
def test_a_server_that_is_slow_in_any_way_ends_in_time(crooked, how):
    for name, value in how.items():
        setattr(crooked, name, value)
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"did not answer within 0\.5 s"):
        Prometheus(crooked.url).instant("x", 0.5)
    assert time.monotonic() - began < 1.0


def test_an_answer_without_end_is_not_read_to_its_end(crooked, monkeypatch):
    monkeypatch.setattr(prometheus, "LARGEST", 1000)
    crooked.body = b"x" * 100_000
    with pytest.raises(BadQuery, match="aggregate"):
        Prometheus(crooked.url).instant("x", 5)


def test_a_name_that_does_not_exist():
    with pytest.raises(Unreachable):
        Prometheus("http://prometheus.invalid:9090").instant("x", 5)


def test_the_environment_does_not_send_us_to_a_proxy(crooked, monkeypatch):
    crooked.has("1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert Prometheus(crooked.url).instant("x", 5).samples


def test_headers_come_from_the_master_and_stay_out_of_the_journal(crooked):
    crooked.has("0")
    options = {"tidegate": {"prometheus_headers": {crooked.url: {"Authorization": "Bearer hush"}}}}
    settings = {"prometheus": crooked.url, "queries": [{"name": "errors", "query": "x", "max": 1}]}
    verdict = judged("metrics", ("a",), settings=settings, elapsed=60.0, options=options)
    assert verdict.outcome == "pass"
    assert crooked.requests[0][1]["Authorization"] == "Bearer hush"
    assert "hush" not in str(verdict)
    assert "hush" not in repr(Prometheus(crooked.url, {"Authorization": "Bearer hush"}))


@pytest.mark.parametrize(
    "url",
    ["file:///x", "prometheus:9090", "http://", "http://u:hush@host/", "http://h/?x=1", "http://h:x", "http://[/"],
)
def test_an_address_that_is_none_is_refused_without_its_password(url):
    with pytest.raises(Refused) as refused:
        Prometheus(url)
    assert "hush" not in str(refused.value)


def test_the_time_that_is_left_is_told_to_the_server(metered):
    metered.export({})
    assert Prometheus(metered.url).instant("up", 0.9, lookback=0.9).samples
