"""Why a rollout is where it is, in sentences that name what happened, and commands that do something about it."""

import re

import pytest
from play import Play, brief
from test_view import seen

from tidegate.cli.main import app
from tidegate.rollout.brief import Budget, Pace
from tidegate.rollout.event import ASKED, Event
from tidegate.rollout.explain import explain
from tidegate.rollout.narrative import sentence
from tidegate.rollout.safety import Elsewhere
from tidegate.rollout.words import seconds


def told(play):
    return explain(seen(play))


def commands(play):
    return [choice.command for choice in told(play).choices]


def stopped(phase="failed", **changes):
    play = Play(brief(on_failure="pause", **changes))
    play.apply["a2"] = phase
    play.run("stopped")
    for _ in range(3):
        play.step()
    return play


def test_before_the_first_wave_it_says_what_is_looked_at():
    answer = told(Play())
    assert "looks at 7 hosts before anything begins" in answer.where
    assert answer.next == "The look at 7 hosts ends; if it finds nothing, wave canary (2 hosts) begins."


def test_a_blocked_rollout_names_the_hosts_and_how_to_undo_what_was_changed():
    play = Play()
    play.problems = {"a3": "was changed by hand: tc: eth0; see 'tidegate drift'"}
    play.run("blocked")
    answer = told(play)
    assert any("a3: was changed by hand: tc: eth0" in reason for reason in answer.because)
    assert "tidegate drift restore HOST" in commands(play)
    assert "tidegate rollout retry 7" in commands(play)
    assert answer.next == "Nothing, until somebody decides."


def test_a_stop_names_the_host_with_its_reason_and_what_can_be_done():
    play = stopped()
    answer = told(play)
    assert "has stopped in wave half (2 of 3). 2 of 7 hosts have it." in answer.where
    assert "1 host failed, the budget is 0: a2 (failed)." in answer.because
    assert "a2 failed: failed." in answer.because
    assert commands(play)[:2] == [
        "tidegate rollout retry 7",
        "tidegate rollout skip-host 7 a2 --because TEXT",
    ]
    assert "tidegate rollout rollback 7 --wave half" in commands(play)


def test_an_unknown_host_may_run_anything_and_is_counted_apart():
    answer = told(stopped("lost"))
    assert "of 1 it is not known what they run" in answer.where
    assert any("a2 did not answer, and may run anything: no answer." in reason for reason in answer.because)


def test_a_gate_that_failed_gives_its_reason():
    play = Play(brief(on_failure="pause"))
    play.verdict = lambda wave, round_: "fail"
    play.run("stopped")
    assert any("Gate health of canary failed: it is fail." in reason for reason in told(play).because)


def test_while_it_soaks_it_says_for_how_long_and_what_comes_then():
    play = Play(brief(soak=60.0, pace=Pace(interval=30.0, rounds=3)))
    while play.state.waves["canary"].round < 2:
        play.step()
    answer = told(play)
    assert re.fullmatch(r"If its gates go on to pass for \d+ s, wave half begins\.", answer.next)
    assert any("have passed for" in reason and "of 1 min" in reason for reason in answer.because)


def test_what_keeps_it_waiting_is_said():
    play = Play()
    play.elsewhere = Elsewhere(frozen="freeze 'friday' until 2026-05-04 06:00 UTC")
    for _ in range(3):
        play.step()
    answer = told(play)
    assert "It waits for freeze 'friday' until 2026-05-04 06:00 UTC." in answer.because
    assert answer.next == "It goes on by itself after freeze 'friday' until 2026-05-04 06:00 UTC."


def test_an_approval_is_asked_for_by_the_command_that_gives_it():
    play = Play(brief(gates=("health", "approval")))
    for _ in range(10):
        play.step()
    assert told(play).next == "Nothing, until somebody approves canary."
    assert commands(play)[0] == "tidegate rollout approve 7 --wave canary"


def test_without_an_engine_nothing_else_is_promised():
    from dataclasses import replace

    view = replace(seen(Play()), engine=None)
    answer = explain(view)
    assert "no engine holds the lease" in answer.next
    assert "No engine drives rollouts now" in answer.because[0]


def test_a_service_without_a_pop_to_spare_is_named():
    play = Play(brief({"canary": ["a1"], "all": ["b1"]}, min_pops=2))
    for _ in range(3):
        play.step()
    assert any("web is up in 2 PoPs and must be in 2: none can be spared." in reason for reason in told(play).because)


def test_a_rollback_says_which_waves_go_back_in_which_order():
    play = Play()
    while play.state.waves["half"].status != "promoted":
        play.step()
    play.ask("rollback", waves=None)
    answer = told(play)
    assert "is going back" in answer.where
    assert answer.next == "The hosts of half go back; then canary."


def test_the_end_offers_what_hosts_had_before():
    play = Play()
    play.run()
    assert told(play).next == "Nothing: it has ended."
    assert commands(play) == ["tidegate rollout rollback 7 --to aaaaaaaaaaaa"]


def commands_of(group):
    return {command.name for command in group.registered_commands}


def test_every_command_that_is_offered_exists():
    groups = {group.name: commands_of(group.typer_instance) for group in app.registered_groups}
    plays = [Play(), stopped(), stopped("lost")]
    blocked = Play()
    blocked.problems = {"a1": "drift"}
    blocked.run("blocked")
    done = Play()
    done.run()
    paused = Play()
    paused.step()
    paused.ask("paused")
    for play in [*plays, blocked, done, paused]:
        for command in commands(play):
            _, group, verb, *_ = command.split()
            assert verb in groups[group], command


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Event("started", who="ann", why="NET-1"), "started by ann: NET-1"),
        (Event("wave", {"wave": "canary"}), "wave canary begins"),
        (
            Event("job", {"jid": "j1", "act": "apply", "hosts": ["a", "b", "c", "d"], "wave": "half"}),
            "a, b, c and 1 more get the release (wave half, job j1)",
        ),
        (
            Event("returned", {"jid": "j1", "hosts": {"a": {"outcome": "applied", "reason": "x"}}}),
            "a applied, to be confirmed",
        ),
        (
            Event("returned", {"jid": "j1", "hosts": {"a": {"outcome": "reverted", "reason": "bird: no route"}}}),
            "undid it: a (bird: no route)",
        ),
        (Event("lost", {"jid": "j1", "hosts": {"a": "silent for 90 s"}}), "unknown: a (silent for 90 s)"),
        (Event("retried", {"hosts": None}, who="ann"), "asked to try what was left behind again by ann"),
        (Event("skipped", {"hosts": ["a"]}, who="bob", why="DC-7"), "a: skipped by bob: DC-7"),
        (Event("checked", {"problems": {}}), "every host was looked at, and is as it should be"),
        (Event("finished", {"status": "completed", "reason": ""}), "completed"),
        (
            Event(
                "judged",
                {
                    "wave": "w",
                    "round": 2,
                    "elapsed": 30.0,
                    "verdicts": [
                        {"gate": "health", "outcome": "pass", "reason": "all good"},
                        {"gate": "metrics", "outcome": "inconclusive", "reason": "Prometheus\nis down"},
                    ],
                },
            ),
            "wave w, round 2: health pass, metrics inconclusive (Prometheus is down)",
        ),
    ],
)
def test_events_are_sentences(event, line):
    assert sentence(event) == line


def test_every_kind_of_event_that_happens_is_one_line():
    play = Play(brief(on_failure="all", budget=Budget(unknown=1)))
    play.apply["a2"] = "lost"
    play.back["a1"] = "failed"
    play.apply["a3"] = "failed"
    play.run()
    for kind in sorted(ASKED):
        body = {"wave": "w", "hosts": ["a"], "waves": None, "by": 3}
        play.events.append(Event(kind, body, who="ann", why="two\nlines"))
    lines = [sentence(event) for event in play.events]
    assert all(line and "\n" not in line for line in lines)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (90, "1 min 30 s"), (3600, "1 h"), (7500, "2 h 5 min")],
)
def test_times_in_words(count, text):
    assert seconds(count) == text
