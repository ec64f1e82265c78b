"""What there is to see of a rollout: counted, with every margin, and nothing folded into what it is not."""

import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from play import NEW, OLD, Play, brief
from stored import stored

from tidegate.rollout.brief import Breaker, Budget, Pace
from tidegate.rollout.following import Following, last_look
from tidegate.rollout.journal import Rollout
from tidegate.rollout.overview import overview
from tidegate.rollout.standing import EXIT, Standing, standing
from tidegate.rollout.state import HostState, Phase
from tidegate.rollout.view import GROUPS, Engine, counted, grouped

AT = datetime(2026, 5, 1, 12, 0, tzinfo=timezone.utc)
ENTRY = Rollout(7, NEW, "ann", "NET-1", AT, None, None, None)


def seen(play, at=AT):
    return overview(ENTRY, play.state, Engine("master1", AT), at)


def played(*until, **changes):
    play = Play(brief(**changes))
    play.run(*until)
    return play


def waves(view):
    return {wave.name: wave for wave in view.waves}


def test_before_anything_began():
    view = seen(Play())
    assert (view.status, view.standing, view.counts) == ("checking", Standing.GOING, {"waiting": 7})
    assert (view.before, view.unchanged, view.current.name) == ((OLD,), 1, "canary")
    assert [wave.status for wave in view.waves] == ["waiting"] * 3


def test_a_complete_rollout_is_good_and_has_no_wave_left():
    view = seen(played())
    assert (view.status, view.standing, view.current) == ("completed", Standing.GOOD, None)
    assert view.counts == {"changed": 7}
    assert [wave.status for wave in view.waves] == ["promoted"] * 3


def test_pops_have_a_line_each_with_the_waves_that_they_are_in():
    pops = {pop.pop: pop for pop in seen(played()).pops}
    assert {name: pop.hosts for name, pop in pops.items()} == {"a": 3, "b": 2, "c": 2}
    assert pops["b"].waves == ("canary", "all")
    assert pops["a"].counts == {"changed": 3}


def test_a_host_that_does_not_answer_is_unknown_everywhere_and_needs_a_look():
    play = Play(brief(budget=Budget(unknown=1)))
    play.apply["a2"] = "lost"
    play.run()
    view = seen(play)
    assert view.counts == {"changed": 6, "unknown": 1}
    assert grouped(view.counts)["has it"] == 6
    assert grouped(view.counts)["unknown"] == 1
    assert {pop.pop: pop.counts for pop in view.pops}["a"] == {"changed": 2, "unknown": 1}
    (host,) = view.hosts
    assert (host.host, host.pop, host.wave, host.phase, host.reason) == ("a2", "a", "half", "unknown", "no answer")
    unknown = next(margin for margin in view.budgets if margin.name == "unknown hosts")
    assert (unknown.used, unknown.limit, unknown.left) == (1, 1, 0)


@given(st.lists(st.sampled_from(Phase)))
def test_every_host_is_in_exactly_one_column(phases):
    counts = counted(HostState(phase) for phase in phases)
    assert sum(counts.values()) == len(phases)
    assert sum(grouped(counts).values()) == len(phases)
    assert grouped(counts)["unknown"] == phases.count(Phase.UNKNOWN)


def test_no_phase_is_in_two_columns_or_in_none():
    assert sorted(phase for phases in GROUPS.values() for phase in phases) == sorted(Phase)


def test_a_budget_that_is_exceeded_has_less_than_nothing_left():
    play = Play()
    play.apply["a1"] = "failed"
    play.apply["b1"] = "reverted"
    play.run("stopped")
    failed = next(margin for margin in seen(play).budgets if margin.name == "failed hosts")
    assert (failed.used, failed.limit, failed.left) == (2, 0, -2)


def test_the_soak_that_is_left_shrinks_with_what_was_watched():
    play = Play(brief(soak=60.0, pace=Pace(interval=30.0, rounds=3)))
    while play.state.waves["canary"].round < 2:
        play.step()
    canary = waves(seen(play))["canary"]
    assert canary.status == "judging"
    assert 25 <= canary.soaked <= 35
    assert canary.soak_left == pytest.approx(60 - canary.soaked)


def test_gates_show_their_last_verdict_or_that_they_gave_none():
    play = Play()
    while play.state.waves["canary"].status != "judging":
        play.step()
    (gate,) = waves(seen(play))["canary"].gates
    assert (gate.name, gate.outcome) == ("health", None)
    play.verdict = lambda wave, round_: "inconclusive"
    play.step()
    view = waves(seen(play))["canary"]
    assert (view.gates[0].outcome, view.gates[0].reason, view.inconclusive) == ("inconclusive", "it is inconclusive", 1)


def test_floors_say_in_how_many_pops_a_service_is_up_while_hosts_move():
    play = Play(brief({"canary": ["a1"], "all": ["b1", "c1"]}, min_pops=2))
    assert [(one.name, one.used, one.limit, one.left) for one in seen(play).floors] == [("web", 3, 2, 1)]
    while not play.state.jobs:
        play.step()
    assert [(one.used, one.left) for one in seen(play).floors] == [(2, 0)]


def test_withdrawals_count_while_they_are_within_the_window():
    play = Play(brief(withdraws={"a1": 4}, breaker=Breaker(10, 600.0)))
    play.now = AT.timestamp()
    play.run()
    later = datetime.fromtimestamp(play.now, timezone.utc)
    assert [one.used for one in seen(play, later).budgets if one.limit == 10] == [4]
    past = datetime.fromtimestamp(play.now + 601, timezone.utc)
    assert [one.left for one in seen(play, past).budgets if one.limit == 10] == [10]
    assert [one.left for one in seen(Play()).budgets][-1] is None


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("paused", {}, Standing.PEOPLE),
        ("aborted", {}, Standing.BACK),
        ("superseded", {"by": 8}, Standing.BACK),
    ],
)
def test_what_people_ask_for_has_its_standing(kind, body, expected):
    play = Play()
    while not play.state.jobs:
        play.step()
    play.ask(kind, **body)
    if kind != "superseded":
        assert standing(play.state) is Standing.GOING, "what is under way ends first"
    for _ in range(20):
        play.step()
    assert standing(play.state) is expected


def test_a_stop_that_the_policy_answers_is_not_yet_up_to_people():
    play = Play(brief(on_failure="all"))
    play.apply["a2"] = "failed"
    play.run("stopped")
    assert standing(play.state) is Standing.GOING
    play.run()
    assert (play.state.status, standing(play.state)) == ("rolled-back", Standing.BACK)


def test_a_stop_without_an_answer_is():
    play = Play(brief(on_failure="pause"))
    play.apply["a2"] = "failed"
    play.run("stopped")
    for _ in range(5):
        play.step()
    assert standing(play.state) is Standing.PEOPLE


def test_only_when_nothing_else_is_missing_a_wave_waits_for_approval():
    play = Play(brief(gates=("health", "approval"), soak=30.0))
    while play.state.waves["canary"].round < 1:
        play.step()
    assert seen(play).approval is None
    for _ in range(60):
        play.step()
    view = seen(play)
    assert (view.approval, view.standing) == ("canary", Standing.PEOPLE)
    assert waves(view)["canary"].approval == ""
    assert waves(view)["canary"].gates[-1].outcome is None
    play.ask("approved", wave="canary", who="bob")
    play.step()
    view = seen(play)
    assert (view.approval, waves(view)["canary"].approval) == (None, "bob")


def test_every_standing_has_an_exit_status_of_its_own_that_is_no_error():
    assert len(set(EXIT.values())) == len(Standing)
    assert not {1, 2} & set(EXIT.values())


def test_the_view_is_plain_data():
    play = Play(brief(min_pops=1))
    play.apply["a2"] = "failed"
    play.run("stopped")
    document = json.loads(json.dumps(seen(play).as_dict()))
    assert document["standing"] == "going"
    assert document["waves"][0]["soak_left"] == 0
    assert document["engine"]["holder"] == "master1"


def test_who_follows_sees_what_the_store_has_and_then_what_is_new(store):
    play = stored(store)
    follower = Following(store, play.number)
    assert [event.kind for event in follower.events] == ["started"]
    play.run()
    assert [event.kind for event in follower.read()] == play.kinds()[1:]
    assert follower.read() == []
    view = follower.view()
    assert (view.status, view.engine.holder, view.why) == ("completed", "master1", "NET-1")
    assert view.finished_at is not None
    assert (view.counts, view.seq) == ({"changed": 7}, len(play.events))


def test_following_from_the_middle_is_the_same_as_from_the_beginning(store):
    play = stored(store)
    early = Following(store, play.number)
    for _ in range(4):
        play.step()
        early.read()
    late = Following(store, play.number)
    moment = datetime.now(timezone.utc)
    assert early.view(moment).as_dict() == late.view(moment).as_dict()


def test_without_a_lease_there_is_no_engine(store):
    play = stored(store)
    play.give_up(store)
    assert Following(store, play.number).view().engine is None


def test_the_last_look_at_hosts_is_found(store):
    assert last_look(store) is None
    play = stored(store)
    assert last_look(store) is None
    play.problems = {"a1": "was changed by hand: tc: eth0"}
    play.run("blocked")
    assert last_look(store).problems == play.problems
