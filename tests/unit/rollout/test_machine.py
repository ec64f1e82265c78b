"""How a rollout goes from wave to wave, and what stops it."""

import pytest
from play import NEW, OLD, WAVES, Play, brief

from tidegate.rollout.brief import Breaker, Budget, Pace
from tidegate.rollout.safety import Elsewhere


def test_the_waves_follow_each_other_and_every_host_ends_with_the_release():
    play = Play()
    assert play.run() == "completed"
    assert play.published("apply") == list(WAVES.values())
    assert set(play.phases().values()) == {"changed"}
    assert set(play.assigned.values()) == {NEW}


def test_nothing_begins_before_every_host_was_looked_at():
    play = Play()
    play.problems = {"a3": "eth0: drift"}
    assert play.run("blocked") == "blocked"
    assert play.jobs == []
    assert play.state.problems == {"a3": "eth0: drift"}
    play.step()
    assert play.jobs == []


def test_a_blocked_rollout_looks_again_when_asked_to():
    play = Play()
    play.problems = {"a3": "eth0: drift"}
    play.run("blocked")
    play.problems = {}
    play.ask("retried", hosts=None)
    assert play.run() == "completed"


def test_a_blocked_rollout_goes_on_without_the_hosts_that_somebody_skips():
    play = Play()
    play.problems = {"a3": "eth0: drift"}
    play.run("blocked")
    play.ask("skipped", hosts=["a3"])
    assert play.run() == "completed"
    assert play.phases("a3") == {"a3": "skipped"}
    assert play.assigned["a3"] == OLD
    assert play.state.reason == "without a3"


def test_a_host_that_runs_the_plan_already_is_not_confirmed():
    play = Play()
    play.apply["a1"] = "ok"
    play.run()
    assert "a1" not in [host for hosts in play.published("confirm") for host in hosts]


@pytest.mark.parametrize(("word", "phase"), [("failed", "failed"), ("reverted", "reverted"), ("lost", "unknown")])
@pytest.mark.parametrize("act", ["apply", "confirm"])
def test_a_host_that_does_not_arrive_stops_the_rollout_and_keeps_what_it_had(act, word, phase):
    play = Play(brief(on_failure="pause"))
    getattr(play, act)["b1"] = word
    assert play.run("stopped") == "stopped"
    assert play.phases("b1") == {"b1": phase}
    assert play.assigned["b1"] == OLD
    assert "b1" in play.state.reason
    assert play.published("apply") == [WAVES["canary"]]


def test_the_budget_lets_a_wave_leave_a_host_behind():
    play = Play(brief(budget=Budget(failed=0, unknown=1)))
    play.apply["a2"] = "lost"
    assert play.run() == "completed"
    assert play.assigned["a2"] == OLD
    assert play.state.reason == "without a2"


def test_a_budget_is_for_the_whole_rollout():
    play = Play(brief(budget=Budget(unknown=1), on_failure="pause"))
    play.apply["a2"] = play.apply["a3"] = "lost"
    assert play.run("stopped") == "stopped"
    assert "2 hosts did not answer, the budget is 1" in play.state.reason


def test_unknown_is_not_failed_and_has_its_own_budget():
    play = Play(brief(budget=Budget(failed=9, unknown=0), on_failure="pause"))
    play.apply["a1"] = "lost"
    assert play.run("stopped") == "stopped"


def test_a_wave_whose_hosts_all_stayed_behind_is_no_canary():
    play = Play(brief(budget=Budget(failed=9), on_failure="pause"))
    play.apply["a1"] = play.apply["b1"] = "failed"
    assert play.run("stopped") == "stopped"
    assert play.state.reason == "no host of canary has the release"


def test_a_wave_of_which_every_host_is_skipped_is_passed_over():
    play = Play()
    play.ask("skipped", hosts=["a1", "b1"])
    assert play.run() == "completed"
    assert play.published("apply") == [WAVES["half"], WAVES["all"]]


@pytest.mark.parametrize(
    ("on_failure", "back", "status"),
    [
        ("pause", [], "stopped"),
        ("wave", [["a2", "c1"]], "stopped"),
        ("all", [["a2", "c1"], ["a1", "b1"]], "rolled-back"),
    ],
)
def test_a_failed_gate_stops_and_rolls_back_as_the_policy_says(on_failure, back, status):
    play = Play(brief(on_failure=on_failure))
    play.verdict = lambda wave, round_: "fail" if wave == "half" else "pass"
    play.run("stopped")
    for _ in range(20):
        play.step()
    assert play.state.status == status
    assert play.published("back") == back
    assert {play.assigned[host] for hosts in [*back, WAVES["all"]] for host in hosts} == {OLD}


def test_a_promoted_wave_is_judged_as_long_as_the_rollout_lasts():
    play = Play(brief(on_failure="all", soak=60.0))
    play.verdict = lambda wave, round_: "fail" if wave == "canary" and "half" in promoted(play) else "pass"
    assert play.run(steps=900) == "rolled-back"
    assert "canary: gate health failed" in play.state.reason
    assert play.published("back")[-1] == WAVES["canary"]


def promoted(play):
    return [name for name, wave in play.state.waves.items() if wave.status == "promoted"]


def test_a_wave_that_is_rolled_back_takes_what_came_after_it_along():
    play = Play(brief(on_failure="wave", soak=60.0))
    play.verdict = lambda wave, round_: "fail" if wave == "canary" and "half" in promoted(play) else "pass"
    play.run("stopped", steps=900)
    while play.step() and play.state.status != "rolled-back":
        pass
    assert set(play.assigned.values()) == {OLD}


def test_soak_is_what_was_watched_and_not_what_the_clock_says():
    play = Play(brief(soak=60.0))
    while not play.state.waves["canary"].round:
        play.step()
    play.restart(now=1e9)
    play.step()
    assert play.state.waves["canary"].status == "judging"
    assert play.state.waves["canary"].soaked < 60


def test_an_inconclusive_gate_does_not_soak_and_stops_the_rollout_in_the_end():
    play = Play(brief(soak=10.0, on_failure="pause"))
    play.verdict = lambda wave, round_: "inconclusive"
    assert play.run("stopped") == "stopped"
    assert play.state.waves["canary"].round == 3
    assert play.state.waves["canary"].soaked == 0
    assert "could not decide in 3 rounds" in play.state.reason


def test_a_gate_that_decides_after_all_lets_the_wave_pass():
    play = Play()
    play.verdict = lambda wave, round_: "inconclusive" if round_ < 3 else "pass"
    assert play.run() == "completed"


def test_a_wave_that_needs_approval_waits_for_it():
    play = Play(brief(gates=("health", "approval")))
    for _ in range(90):
        play.step()
    assert play.published("apply") == [WAVES["canary"]]
    assert play.state.waiting == "somebody's approval of canary"
    play.ask("approved", wave="canary")
    play.step()
    assert play.state.waves["canary"].status == "promoted"


def test_approval_does_not_overrule_a_gate():
    play = Play(brief(gates=("health", "approval"), on_failure="pause"))
    play.verdict = lambda wave, round_: "fail"
    play.ask("approved", wave="canary")
    assert play.run("stopped") == "stopped"


def test_a_pause_begins_no_host_and_ends_what_is_under_way():
    play = Play()
    while not play.jobs:
        play.step()
    play.ask("paused")
    for _ in range(60):
        play.step()
    assert play.phases("a1", "b1") == {"a1": "changed", "b1": "changed"}
    assert play.published("apply") == [WAVES["canary"]]
    assert play.state.status == "paused"
    play.ask("resumed")
    assert play.run() == "completed"


def test_a_paused_rollout_is_still_watched():
    play = Play(brief(on_failure="pause"))
    while not play.jobs:
        play.step()
    play.ask("paused")
    play.verdict = lambda wave, round_: "fail"
    assert play.run("stopped") == "stopped"


def test_a_retry_takes_up_hosts_that_stayed_behind_and_lets_them_try_again():
    play = Play(brief(on_failure="pause"))
    play.apply["b1"] = "reverted"
    play.run("stopped")
    play.apply["b1"] = "applied"
    play.ask("retried", hosts=["b1"])
    assert [action.again for action in play.due() if getattr(action, "act", "") == "apply"] == [True]
    assert play.run() == "completed"
    assert set(play.assigned.values()) == {NEW}


def test_a_retry_of_no_host_is_no_retry_of_all(play_stopped):
    play_stopped.ask("retried", hosts=[])
    assert play_stopped.phases("b1") == {"b1": "reverted"}
    assert play_stopped.state.status == "stopped"


@pytest.fixture
def play_stopped():
    play = Play(brief(on_failure="pause"))
    play.apply["b1"] = "reverted"
    play.run("stopped")
    return play


def test_a_host_that_undid_the_change_because_nobody_confirmed_it_is_tried_once_more():
    play = Play()
    answers = iter(["expired", "changed"])
    play.confirm = Answers(dict.fromkeys(play.state.hosts, "changed"), "a1", answers)
    assert play.run() == "completed"
    assert play.published("apply")[:2] == [WAVES["canary"], ["a1"]]


def test_a_host_that_does_so_twice_is_left_behind():
    play = Play(brief(on_failure="pause"))
    play.confirm["a1"] = "expired"
    assert play.run("stopped") == "stopped"
    assert play.phases("a1") == {"a1": "reverted"}
    assert play.assigned["a1"] == OLD


class Answers(dict):
    """A script in which one host says something else each time."""

    def __init__(self, script, host, answers):
        super().__init__(script)
        self._host, self._answers = host, answers

    def __getitem__(self, host):
        return next(self._answers) if host == self._host else super().__getitem__(host)


def test_abort_undoes_what_is_not_confirmed_and_leaves_the_rest():
    play = Play()
    while "applied" not in play.phases("a2", "c1").values():
        play.step()
    play.ask("aborted")
    assert play.run() == "aborted"
    assert play.phases("a1", "b1", "a2", "c1") == {"a1": "changed", "b1": "changed", "a2": "back", "c1": "back"}
    assert {host for host, release in play.assigned.items() if release == NEW} == {"a1", "b1"}


def test_rollback_goes_through_the_waves_in_reverse():
    play = Play()
    while "half" not in promoted(play):
        play.step()
    play.ask("rollback", waves=None)
    assert play.run() == "rolled-back"
    assert play.published("back") == [WAVES["half"], WAVES["canary"]]
    assert set(play.assigned.values()) == {OLD}


def test_a_host_that_cannot_go_back_is_reported_and_the_others_go_on():
    play = Play()
    play.back["c1"] = "failed"
    while "half" not in promoted(play):
        play.step()
    play.ask("rollback", waves=None)
    assert play.run() == "rolled-back"
    assert play.phases("c1", "a1") == {"c1": "stuck", "a1": "back"}
    assert play.assigned["c1"] == OLD


def test_abort_during_a_rollback_brings_no_further_host_back():
    play = Play()
    while "half" not in promoted(play):
        play.step()
    play.ask("rollback", waves=None)
    while not play.published("back"):
        play.step()
    play.ask("aborted")
    assert play.run() == "aborted"
    assert play.published("back") == [WAVES["half"]]
    assert play.phases("a1", "a2") == {"a1": "changed", "a2": "back"}


def test_a_rollback_waits_for_the_job_that_a_host_is_in():
    play = Play()
    play.apply["a1"] = ""
    while not play.jobs:
        play.step()
    play.step()
    play.ask("rollback", waves=None)
    play.step()
    assert play.published("back") == [["b1"]]
    play.apply["a1"] = "applied"
    assert play.run() == "rolled-back"
    assert play.published("back") == [["b1"], ["a1"]]


def test_one_wave_alone_can_be_rolled_back_and_tried_again():
    play = Play()
    while "half" not in promoted(play):
        play.step()
    play.ask("rollback", waves=["half"])
    assert play.run("stopped") == "stopped"
    assert play.phases("a2", "a1") == {"a2": "back", "a1": "changed"}
    play.ask("resumed")
    assert play.run() == "completed"
    assert set(play.assigned.values()) == {NEW}


def test_a_service_keeps_its_pops_while_hosts_change():
    play = Play(brief({"all": ["a1", "b1", "c1"]}, min_pops=2))
    assert play.run() == "completed"
    assert play.published("apply") == [["a1"], ["b1"], ["c1"]]


def test_where_a_host_would_be_one_too_many_the_rollout_says_so_and_waits():
    play = Play(brief({"all": ["a1", "b1", "c1"]}, min_pops=2))
    play.elsewhere = Elsewhere(down=frozenset(["c1"]))
    for _ in range(30):
        play.step()
    assert play.published("apply") == [["c1"]]
    assert play.state.waiting == "web must stay up in 2 PoPs, and a1 is the last one up in a"


def test_a_host_that_can_never_change_stops_the_rollout():
    play = Play(brief({"all": ["a1", "b1"]}, min_pops=2, on_failure="pause"))
    assert play.run("stopped") == "stopped"
    assert play.state.reason == (
        "a1 can never change: web must stay up in 2 PoPs, and has no more than that; a1 is its only host in a. "
        "Lower min_pops, or add a host"
    )


def test_a_host_that_is_down_counts_against_its_service():
    play = Play(brief({"one": ["a1"], "all": ["b1", "c1"]}, min_pops=2, budget=Budget(unknown=9), on_failure="pause"))
    play.apply["a1"] = "lost"
    play.run("stopped")
    play.ask("skipped", hosts=["a1"])
    assert play.phases("a1") == {"a1": "skipped"}


def test_slices_and_hosts_in_flight_are_bounded():
    hosts = [f"a{number}" for number in range(10)]
    play = Play(brief({"all": hosts}, pace=Pace(slice=2, in_flight=4)))
    for host in hosts:
        play.apply[host] = ""
    for _ in range(5):
        play.step()
    assert play.published("apply") == [hosts[:2], hosts[2:4]]


def test_withdrawals_wait_for_the_breaker():
    play = Play(brief({"all": ["a1", "b1"]}, withdraws={"a1": 2, "b1": 2}, breaker=Breaker(most=3, within=600.0)))
    for _ in range(60):
        play.step()
    assert play.published("apply") == [["a1"]]
    assert play.state.waiting == "the breaker allows 3 withdrawals in 600 s"
    assert play.run(steps=900) == "completed"


def test_a_host_that_withdraws_more_than_the_breaker_ever_allows_stops_the_rollout():
    play = Play(brief({"all": ["a1"]}, withdraws={"a1": 9}, breaker=Breaker(most=3), on_failure="pause"))
    assert play.run("stopped") == "stopped"
    assert play.state.reason == "a1 alone would withdraw 9 announcements; the breaker allows 3"


def test_a_pop_sees_one_rollout_at_a_time():
    play = Play()
    play.elsewhere = Elsewhere(busy_pops=frozenset("a"))
    while not play.jobs:
        play.step()
    assert play.published("apply") == [["b1"]]


def test_a_held_host_keeps_what_it_has_and_the_rest_goes_on():
    play = Play()
    play.elsewhere = Elsewhere(held={"b2": "hold by ann: bad memory"})
    assert play.run() == "completed"
    assert play.assigned["b2"] == OLD
    assert play.state.hosts["b2"].reason == "hold by ann: bad memory"


def test_no_wave_begins_in_a_freeze_unless_somebody_said_so():
    frozen = Elsewhere(frozen="freeze 'new year' until 2027-01-02 06:00 UTC")
    play = Play()
    play.elsewhere = frozen
    for _ in range(10):
        play.step()
    assert play.jobs == []
    assert play.state.waiting == frozen.frozen
    urgent = Play(brief(override_freeze=True))
    urgent.elsewhere = frozen
    assert urgent.run() == "completed"


def test_what_a_host_says_twice_or_late_changes_nothing():
    play = Play()
    play.run()
    before = play.state
    job = next(event for event in play.events if event.kind == "returned")
    play.add(job)
    assert play.state.hosts == before.hosts


def test_a_superseded_rollout_lets_go_of_hosts_that_had_not_arrived():
    play = Play()
    while "applied" not in play.phases("a2", "c1").values():
        play.step()
    play.ask("superseded", by=2)
    assert play.state.status == "superseded"
    assert {host for host, release in play.assigned.items() if release == NEW} == {"a1", "b1"}
    assert play.due() == []


def test_a_first_release_has_nothing_to_go_back_to():
    play = Play(brief({"all": ["a1"]}, before={"a1": None}, unchanged=(), on_failure="pause"))
    play.apply["a1"] = "failed"
    play.run("stopped")
    assert play.assigned["a1"] is None
