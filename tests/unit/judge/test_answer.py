"""What Prometheus answers becomes one series a host, or a failure that says what to mend."""

import pytest

from tidegate.judge.answer import answered
from tidegate.judge.metric import Definition
from tidegate.rollout.gates.prometheus import Series

ERRORS = Definition("errors", "counter")


def one(host, *points, label="host"):
    return Series({label: host} if host else {}, points)


def test_hosts_are_told_apart_by_their_label():
    found = answered(ERRORS, [one("a", (60.0, 1.0), (75.0, 2.0)), one("b")], exposure=[one("a", (60.0, 9.0))])
    assert found.failure is None
    assert found.series["a"].values.tolist() == [1.0, 2.0]
    assert len(found.series["b"].times) == 0
    assert found.exposure["a"].values.tolist() == [9.0]


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ([one("a"), one("a")], "a has more than one series: aggregate by (host)"),
        ([one(None)], "a series has no label 'host'"),
        ([one("a", label="instance")], "aggregate by (host)"),
    ],
)
def test_what_is_not_by_host_is_a_failure(series, words):
    assert words in answered(ERRORS, series).failure
    assert words in answered(ERRORS, [], exposure=series).failure


def test_another_label_can_have_the_host():
    assert set(answered(ERRORS, [one("a", label="instance")], label="instance").series) == {"a"}


def test_a_warning_makes_it_none():
    assert "may be incomplete: store down" in answered(ERRORS, [one("a")], warnings=["store down"]).failure
