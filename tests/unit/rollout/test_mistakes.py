"""What `tidegate check` says about waves that cannot be meant."""

import pytest
from fleets import CANARY, FLEET, REST, document, errors

from tidegate.policy.load import examine

WAVE = "traffic.rollout.waves[1]"

MISTAKES = [
    # (waves, path reported, words that the report must hold)
    ([], "traffic.rollout.waves", "no waves"),
    # One wave alone
    ([CANARY, {"name": "all"}], WAVE, "one_per, percent, count, hosts or match 'match: all'"),
    ([CANARY, {"name": "b", "percent": 50, "count": 3}, REST], WAVE, "one of percent and count"),
    ([CANARY, {"name": "b", "hosts": "edge1.lhr1", "match": "all"}, REST], WAVE, "hosts or match"),
    ([CANARY, {"name": "b", "unit": "pop", "match": "all"}], WAVE, "unit beside"),
    ([CANARY, {"name": "b", "unit": "pop", "hosts": "edge1.lhr1"}, REST], WAVE, "unit beside"),
    ([CANARY, {"name": "b", "one_per": "pop", "unit": "pop"}, REST], WAVE, "smaller pop whole fleet"),
    ([CANARY, {"name": "b", "one_per": "pop", "unit": "region"}, REST], WAVE, "smaller pop"),
    ([CANARY, {"name": "b", "one_per": "region", "unit": "region"}, REST], WAVE, "smaller region"),
    ([CANARY, {"name": "b", "one_per": "rack"}, REST], f"{WAVE}.one_per", "'class', 'region', 'pop' or 'role'"),
    ([CANARY, {"name": "b", "count": 1, "unit": "pops"}, REST], f"{WAVE}.unit", "Did you mean 'pop'?"),
    ([CANARY, {"name": "b", "percent": 0}, REST], f"{WAVE}.percent", "from 1"),
    ([CANARY, {"name": "b", "percent": 101}, REST], f"{WAVE}.percent", "up to 100"),
    ([CANARY, {"name": "b", "percent": "50%"}, REST], f"{WAVE}.percent", "whole number"),
    ([CANARY, {"name": "b", "count": 0}, REST], f"{WAVE}.count", "from 1"),
    ([CANARY, {"name": "b", "hosts": []}, REST], f"{WAVE}.hosts", "at least one"),
    ([CANARY, {"name": "b", "match": {}}, REST], f"{WAVE}.match", "never means all"),
    ([CANARY, {"name": "b", "match": None}, REST], f"{WAVE}.match", "never means all"),
    ([CANARY, {"name": "b", "precent": 50}, REST], f"{WAVE}.precent", "Did you mean 'percent'?"),
    # Labels and hosts that are not there
    ([CANARY, {"name": "b", "match": {"pop": "lhr2"}}, REST], f"{WAVE}.match.pop", "no such PoP 'lhr1'"),
    ([CANARY, {"name": "b", "count": 1, "match": {"class": "gen1"}}, REST], f"{WAVE}.match.class", "no such class"),
    ([CANARY, {"name": "b", "match": {"pop": "ams1", "region": "us"}}, REST], f"{WAVE}.match", "no host matches"),
    ([CANARY, {"name": "b", "hosts": ["edge1.lhr"]}, REST], f"{WAVE}.hosts", "no such host 'edge1.lhr1'"),
    # Waves together
    ([CANARY, {"name": "canary", "percent": 50}, REST], f"{WAVE}.name", "waves[0]"),
    ([{**CANARY, "hosts": "edge1.lhr1"}, CANARY, REST], "traffic.rollout.waves[0]", "one of"),
    (
        [CANARY, {"name": "b", "hosts": "edge1.lhr1"}, {"name": "c", "hosts": ["edge2.lhr1", "edge1.lhr1"]}, REST],
        "traffic.rollout.waves[2].hosts",
        "'b' names this host already",
    ),
    ([CANARY, {"name": "b", "hosts": ["edge1.lhr1", "edge1.lhr1"]}, REST], f"{WAVE}.hosts", "'b' already"),
    (
        [CANARY, {"name": "b", "percent": 50}, {"name": "c", "percent": 50}, REST],
        "traffic.rollout.waves[2].percent",
        "'b' 50 % already grow of the whole",
    ),
    (
        [CANARY, {"name": "b", "percent": 50, "match": "all"}, {"name": "c", "percent": 20, "unit": "pop"}, REST],
        "traffic.rollout.waves[2].percent",
        "'b' 50 % already",
    ),
    ([CANARY, {"name": "b", "percent": 5}, REST], WAVE, "before 'b' have 5 % already"),
    (
        [CANARY, {"name": "b", "match": {"pop": "lhr1"}}, {"name": "c", "count": 1, "match": {"pop": "lhr1"}}, REST],
        "traffic.rollout.waves[2]",
        "'c' has no host left",
    ),
    ([CANARY, REST, {"name": "late", "count": 1}], "traffic.rollout.waves[2]", "'late' has no host left"),
    ([CANARY, {"name": "b", "match": {"region": "eu"}}], "traffic.rollout.waves", "in no wave match: all"),
    ([CANARY, {"name": "b", "match": {"class": "gen12"}}], "traffic.rollout.waves", "are in no wave old1.lhr1"),
    (
        [{"name": "b", "count": 1, "match": {"class": "gen12"}}, REST],
        "traffic.rollout.waves[0]",
        "class-in-canary: 'b' class gen11 one_per",
    ),
    (
        [CANARY, {"name": "b", "hosts": ["old1.lhr1", "old2.lhr1", "old1.iad1", "old2.iad1"]}, REST],
        "traffic.rollout.waves[0]",
        "class-in-canary: gen11",
    ),
]


@pytest.mark.parametrize(("waves", "where", "words"), MISTAKES)
def test_a_mistake_is_named(waves, where, words):
    found = errors(FLEET, waves)
    assert where in found, found
    for word in words.split():
        assert word in found[where], found[where]


GOOD = [
    None,
    [REST],
    [CANARY, REST],
    [CANARY, {"name": "pop", "one_per": "region", "unit": "pop"}, {"name": "half", "percent": 50}, REST],
    [CANARY, {"name": "us", "percent": 60, "match": {"region": "us"}}, {"name": "half", "percent": 50}, REST],
    [{"name": "canary", "hosts": ["edge1.lhr1", "old1.lhr1"]}, REST],
    [CANARY, {"name": "whole", "percent": 100}],
    [CANARY, {"name": "whole", "percent": 100}, REST],
    [CANARY, {"name": "eu", "match": {"region": "eu"}}, {"name": "us", "match": {"region": "us"}}],
    [{"name": "canary", "one_per": "class", "unit": "pop"}, REST],
]


@pytest.mark.parametrize("waves", GOOD)
def test_these_are_good(waves):
    assert errors(FLEET, waves) == {}


def test_a_mistake_in_one_wave_says_nothing_about_the_others():
    found = errors(FLEET, [CANARY, {"name": "half", "percent": 500}, {"name": "canary", "match": {"pop": "lhr1"}}])
    # The last wave stands where it stood, and of what the broken one would have had nothing is concluded.
    assert set(found) == {"traffic.rollout.waves[1].percent", "traffic.rollout.waves[2].name"}


def test_a_broken_host_leaves_the_waves_alone():
    data = document(FLEET, [{"name": "canary", "one_per": "class"}, {"name": "b", "hosts": "edge1.lhr1"}, REST])
    data["fleet"]["hosts"]["edge1.lhr1"]["router_id"] = "nonsense"
    assert [problem.where for problem in examine(data).problems] == ["traffic.fleet.hosts[edge1.lhr1].router_id"]


@pytest.mark.parametrize("rollout", [None, {}, [], "canary", {"waves": None}, {"waves": {}}, {"soak": "5m"}])
def test_what_is_no_list_of_waves_is_an_error_there(rollout):
    found = examine({**document(FLEET), "rollout": rollout}).problems
    assert found
    assert all(problem.where.startswith("traffic.rollout") for problem in found), found
