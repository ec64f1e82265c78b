"""The drop budget: how much more may be dropped than before, and which rule is named if it is more."""

from tidegate.xdp.budget import Reading, excess, has_budget
from tidegate.xdp.counters import RuleTally, Tally


def reading(passed, dropped, **rules):
    none = Tally(0, 0)
    return Reading(
        {"passed": Tally(passed, 0), "dropped": Tally(dropped, 0), "hidden": none, "exempted": none},
        {
            name: RuleTally(*(packets if isinstance(packets, tuple) else (packets, 0, 0, 0)))
            for name, packets in rules.items()
        },
    )


RULES = [{"name": "a", "action": "drop"}, {"name": "b", "action": "limit"}, {"name": "c", "action": "count-only"}]
NOTHING = reading(0, 0)


def test_too_few_packets_say_nothing():
    assert excess(RULES, 0.1, NOTHING, reading(0, 199)) is None
    assert excess(RULES, 0.1, NOTHING, reading(0, 200)) is not None


def test_within_the_budget_is_within_it():
    assert excess(RULES, 0.1, NOTHING, reading(900, 100)) is None
    assert excess(RULES, 0.1, NOTHING, reading(899, 101)) is not None


def test_what_was_dropped_before_is_usual():
    before = reading(1000, 1000)
    assert excess(RULES, 0.1, before, reading(1400, 1600)) is None
    why = excess(RULES, 0.1, before, reading(1300, 1700))
    assert why is not None
    assert "70% of 1000 packets are dropped, 50% were before" in why


def test_the_rule_that_drops_most_is_named():
    now = reading(0, 1000, a=400, b=(5000, 0, 600, 0), c=9000)
    assert "most by rule 'b': 600" in (excess(RULES, 0.1, NOTHING, now) or "")
    before = reading(0, 0, b=(0, 0, 550, 0))
    assert "most by rule 'a': 400" in (excess(RULES, 0.1, before, now) or "")


def test_a_rule_may_have_a_budget_of_its_own():
    rules = [{**RULES[0], "drop_budget": 0.05}, *RULES[1:]]
    assert excess(rules, None, NOTHING, reading(500, 500, a=50)) is None
    why = excess(rules, None, NOTHING, reading(500, 500, a=51))
    assert why == "5% of 1000 packets are dropped, 0% were before; the budget allows 5% more; all of them by rule 'a'"
    usual = reading(1000, 1000, a=200)
    assert excess(rules, None, usual, reading(1500, 1500, a=350)) is None
    assert excess(rules, None, usual, reading(1500, 1500, a=351)) is not None


def test_without_any_budget_there_is_nothing_to_watch():
    assert not has_budget(RULES, None)
    assert has_budget(RULES, 0.0)
    assert has_budget([{**RULES[0], "drop_budget": 0.0}], None)


def test_drops_of_no_rule_are_said_to_be_that():
    assert "hide" in (excess(RULES, 0.1, NOTHING, reading(0, 1000)) or "")
