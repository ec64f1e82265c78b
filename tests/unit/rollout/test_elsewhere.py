"""What operations mean for a rollout: who waits, who keeps what it has, and who does not count as up."""

from datetime import datetime, timezone

import pytest
from play import Play, brief

from tidegate.release.operations import Operation
from tidegate.rollout.brief import Floor
from tidegate.rollout.elsewhere import elsewhere

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
REGIONS = {"a": "eu", "b": "eu", "c": "us", "z": "us"}


def operation(kind, target, **settings):
    return Operation(1, kind, target, settings, "ann", "a test", NOON)


def about(state, *operations):
    def labels():
        return {host: {"host": host, "pop": pop, "region": REGIONS[pop]} for host, pop in state.brief.pops.items()}

    return elsewhere(state, [], operations, labels, NOON)


def test_a_pause_and_a_hold_name_their_hosts():
    state = Play().state
    told = about(state, operation("pause", {"pop": "a"}), operation("hold", {"host": "b1"}))
    assert told.paused == dict.fromkeys(["a1", "a2", "a3"], "operation 1, a pause by ann: a test")
    assert told.held == {"b1": "operation 1, a hold by ann: a test"}
    assert not told.down


def test_a_rollout_that_waits_for_an_operation_says_for_which():
    play = Play()
    play.elsewhere = about(play.state, operation("pause", {"region": "eu"}))
    for _ in range(5):
        play.step()
    assert play.published("apply") == []
    assert play.state.waiting == "the end of operation 1, a pause by ann: a test"


@pytest.mark.parametrize(
    ("target", "down"),
    [
        ({"host": "a1"}, {"a1"}),
        ({"pop": "c"}, {"c1", "c2"}),
        ({"region": "us"}, {"c1", "c2", "z1"}),
        ({"service": "web"}, set()),
        ({"pop": "c", "service": "web"}, set()),
        ({"neighbor": "transit"}, set()),
    ],
)
def test_a_host_whose_announcements_are_all_withdrawn_is_down(target, down):
    assert about(Play().state, operation("drain", target, how="withdraw")).down == down


@pytest.mark.parametrize("settings", [{"how": "prepend", "times": 3}, {"how": "graceful"}])
def test_a_host_that_still_announces_is_up(settings):
    assert not about(Play().state, operation("drain", {"host": "a1"}, **settings)).down


def test_a_floor_counts_no_pop_that_is_drained_whoever_is_in_the_rollout():
    """web must stay up in two of a, b and z; z is drained and not in the rollout: a and b are all that is left."""
    told = brief({"all": ["a1", "b1"]}, floors=(Floor("web", 2, ("a1", "b1", "z1")),))
    free, drained = Play(told), Play(told)
    drained.elsewhere = about(drained.state, operation("drain", {"pop": "z"}, how="withdraw"))
    assert free.run() == "completed"
    for _ in range(5):
        drained.step()
    assert drained.published("apply") == []
    assert drained.state.waiting == "web must stay up in 2 PoPs, and a1 is the last one up in a"
