"""What follows from a judgement, by policy."""

from dataclasses import replace

import pytest
from series import GAUGE, comparison, gauge, now

from tidegate.judge.inconclusive import Patience, next_step
from tidegate.judge.judge import judge
from tidegate.judge.metric import Metric

CHOSEN = comparison(planned=5)
OPEN = replace(GAUGE, margin=0.0001)


def at(tick, definition=GAUGE, **settings):
    return judge([gauge(CHOSEN, definition, ticks=60, **settings)], CHOSEN, now(tick))


@pytest.mark.parametrize(
    ("then", "steps"),
    [
        ("extend", {4: "wait", 5: "wait", 8: "wait", 9: "pause"}),
        ("pause", {4: "wait", 5: "pause"}),
        ("fail", {4: "wait", 5: "stop"}),
    ],
)
def test_at_the_end_of_the_soak_the_policy_says_what_happens(then, steps):
    for tick, expected in steps.items():
        found = at(tick, OPEN)
        assert found.outcome == "inconclusive"
        assert next_step(found, Patience(then, most=4)) == expected


def test_a_pass_waits_for_the_soak_and_a_failure_for_nothing():
    assert next_step(at(3), Patience()) == "wait"
    assert next_step(at(5), Patience()) == "promote"
    assert next_step(at(2, shift=50), Patience()) == "stop"


def test_what_waiting_does_not_mend_is_not_waited_for():
    broken = judge([Metric(replace(GAUGE, margin=-1.0))], CHOSEN, now(2))
    assert next_step(broken, Patience("extend")) == "pause"
