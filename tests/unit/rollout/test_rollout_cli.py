"""`tidegate rollout` as people and programs meet it, over real stores and rollouts that are played."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from play import WAVES, brief
from stored import Stored, stored
from typer.testing import CliRunner

from tidegate.cli.main import app
from tidegate.release.assignments import Assignments
from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout.journal import Journal
from tidegate.rollout.lease import Leases

REPOSITORY = Path(__file__).parents[3]
PEOPLE, BACK, GOING = 3, 4, 5


@pytest.fixture
def where(tmp_path):
    return str(tmp_path / "store.db")


@pytest.fixture
def local(where):
    """An empty SQLite store: what commands print does not depend on the database."""
    opened = Store(parse(where), create=True)
    yield opened
    opened.close()


@pytest.fixture
def run(where):
    def run(*arguments, exit_code=0, of=None):
        environment = {"COLUMNS": "160", "NO_COLOR": "1", "TIDEGATE_STORE": of or where, "SUDO_USER": "ann"}
        outcome = CliRunner().invoke(app, ["rollout", *map(str, arguments)], env=environment)
        assert outcome.exit_code == exit_code, outcome.output
        return outcome

    return run


def playing(play, *until):
    play.run(*until)
    for _ in range(3):
        play.step()
    return play


# --- status, explain, history -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_status_of_a_complete_rollout_ends_with_0(request, run, tmp_path, database):
    url = str(tmp_path / "there.db")
    if database == "postgresql":
        server = request.getfixturevalue("server")
        server.run("createdb", "cli")
        url = server.url("cli")
    store = Store(parse(url), create=True)
    playing(stored(store))
    outcome = run("status", of=url)
    for words in ("Rollout 1  completed", "by ann: NET-1", "canary  promoted", "Nothing: it has ended."):
        assert words in outcome.stdout
    store.close()


def test_status_never_counts_an_unknown_host_as_having_it(run, local):
    play = stored(local, on_failure="pause")
    play.apply["a2"] = "lost"
    playing(play, "stopped")
    outcome = run("status", exit_code=PEOPLE)
    lines = {line.split()[0]: line.split() for line in outcome.stdout.splitlines() if line.strip()}
    header = next(line for line in outcome.stdout.splitlines() if line.startswith("PoP")).split()
    assert header[1:] == ["hosts", "has", "it", "moving", "waiting", "unknown", "waves"] or "back" in header
    assert lines["a"][1].count("?") >= 1, "the bar shows it too"
    assert "a2  unknown  no answer" in outcome.stdout


def test_status_for_programs(run, local):
    play = stored(local, min_pops=2)
    play.step()
    document = json.loads(run("status", "--json", exit_code=GOING).stdout)
    assert document["number"] == play.number
    assert document["standing"] == "going"
    assert [wave["name"] for wave in document["waves"]] == list(WAVES)
    assert document["floors"] == [{"name": "web", "used": 3, "limit": 2, "left": 1}]


def test_a_rollout_that_went_back_ends_with_4(run, local):
    play = stored(local, on_failure="all")
    play.apply["a2"] = "failed"
    playing(play)
    assert "rolled-back" in run("status", exit_code=BACK).stdout


def test_without_a_number_the_one_under_way_is_meant_and_else_the_last(run, local):
    first = playing(stored(local))
    assert json.loads(run("status", "--json").stdout)["number"] == first.number
    assert "No rollout is under way. The last was rollout 1" in run("pause", exit_code=1).output


def test_several_under_way_have_to_be_named(run, local):
    play = stored(local, brief({"canary": ["a1"]}, before=dict.fromkeys(["a1", "b1"], ""), unchanged=()))
    other = brief({"canary": ["b1"]}, unchanged=(), release=play.state.brief.release)
    Journal(local).start(brief_of(other, before={"b1": play.state.brief.before["a1"]}), "bob", "", None)
    assert "Rollouts 1 and 2 are under way: say which one is meant." in run("status", exit_code=1).output
    assert run("status", 2, exit_code=GOING)


def brief_of(told, **changes):
    from dataclasses import replace

    return replace(told, **changes)


def test_explain_says_what_happened_and_what_to_do(run, local):
    play = stored(local, on_failure="pause")
    play.apply["a2"] = "failed"
    playing(play, "stopped")
    outcome = run("explain")
    assert "has stopped in wave half" in outcome.stdout
    assert "tidegate rollout retry 1" in outcome.stdout
    document = json.loads(run("explain", "--json").stdout)
    assert document["choices"][0]["command"] == "tidegate rollout retry 1"


def test_history_lists_rollouts_and_with_a_number_events(run, local):
    assert "There is no rollout yet." in run("history").output
    play = playing(stored(local))
    line = run("history").stdout.splitlines()[1].split()
    assert line[:2] == ["1", play.state.brief.release[:12]]
    assert "completed" in line
    events = run("history", 1).stdout
    assert "started by ann: NET-1" in events
    assert "wave canary promoted" in events
    journal = json.loads(run("history", 1, "--json").stdout)
    assert [event["kind"] for event in journal] == play.kinds()
    assert journal[-2]["kind"] != "judged" or journal[-2]["verdicts"]


def test_errors_are_a_sentence_and_name_the_rollout(run, local):
    assert "There is no rollout 9" in run("status", 9, exit_code=1).output
    assert "There is no rollout 9" in json.loads(run("explain", 9, "--json", exit_code=1).stdout)["error"]
    assert "No rollout is under way." in run("watch", exit_code=1).output


# --- what people ask for ----------------------------------------------------------------------------------------------


def test_pause_and_resume_are_written_with_who_and_why(run, local):
    play = stored(local)
    assert "Rollout 1: paused by ann: ams1 works" in run("pause", "--because", "ams1 works").stdout
    event = Journal(local).events(play.number)[-1]
    assert (event.kind, event.who, event.why) == ("paused", "ann", "ams1 works")
    assert "Rollout 1 is paused: you can pause one that is checking or running." in run("pause", exit_code=1).output
    assert json.loads(run("resume", "--json").stdout)["kind"] == "resumed"


def test_an_approval_is_for_the_current_wave_and_only_where_one_is_wanted(run, local):
    stored(local)
    assert "has no approval gate" in run("approve", exit_code=1).output
    assert "has no wave 'canray'. Did you mean 'canary'?" in run("approve", "--wave", "canray", exit_code=1).output


def test_an_approval_lets_the_wave_be_promoted(run, local):
    play = stored(local, gates=("health", "approval"))
    for _ in range(8):
        play.step()
    assert "until somebody approves canary" in run("status", exit_code=PEOPLE).stdout
    run("approve", 1, "--because", "graphs are flat")
    assert "was approved by ann already" in run("approve", 1, "--wave", "canary", exit_code=1).output


def test_retry_takes_hosts_and_only_those_that_were_left_behind(run, local):
    play = stored(local, on_failure="pause")
    play.apply["a2"] = "failed"
    playing(play, "stopped")
    assert "a1 is changed in rollout 1: it was not left behind." in run("retry", "a1", exit_code=1).output
    assert "does not change 'a22'. Did you mean 'a2'?" in run("retry", "a22", exit_code=1).output
    assert "It has it unchanged." in run("retry", "z1", exit_code=1).output
    assert "a2: to try again by ann" in run("retry", 1, "a2").stdout


def test_skip_host_needs_a_reason_and_a_host(run, local):
    play = stored(local, on_failure="pause")
    play.apply["a2"] = "failed"
    playing(play, "stopped")
    run("skip-host", "a2", exit_code=2)
    assert "needs a reason" in run("skip-host", "a2", "--because", " ", exit_code=1).output
    assert "No host was named" in run("skip-host", 1, "--because", "x", exit_code=1).output
    assert "too late to leave it out" in run("skip-host", "a1", "--because", "x", exit_code=1).output
    assert "a2: skipped by ann: DC-77" in run("skip-host", "a2", "--because", "DC-77").stdout


def test_abort_and_rollback(run, local):
    play = stored(local)
    assert "No host of rollout 1 has been touched yet" in run("rollback", "--all", exit_code=1).output
    while play.state.waves["canary"].status != "promoted":
        play.step()
    assert "No host of wave all has been touched" in run("rollback", "--wave", "all", exit_code=1).output
    assert "rollback of canary asked for by ann" in run("rollback", "--wave", "canary").stdout
    assert "rollback of everything asked for" in run("rollback", "--all").stdout
    assert "is going back already" in run("rollback", "--all", exit_code=1).output
    assert "asked to abort by ann" in run("abort").stdout


def test_rollback_wants_to_know_how_far(run, local):
    stored(local)
    for options in ([], ["--all", "--wave", "canary"], ["--all", "--to", "newest"]):
        assert "say how far" in run("rollback", *options, exit_code=2).output


# --- plan and start ---------------------------------------------------------------------------------------------------


@pytest.fixture
def pillar(tmp_path):
    return Path(shutil.copytree(REPOSITORY / "pillar", tmp_path / "pillar"))


def edit(pillar, file, old, new):
    path = pillar / "traffic" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def releases(where, pillar):
    """Two releases of the example: the second differs on one host alone."""

    def create():
        arguments = ["release", "create", "--json", "--pillar", str(pillar), "--store", where]
        outcome = CliRunner().invoke(app, arguments)
        assert outcome.exit_code == 0, outcome.output
        return json.loads(outcome.stdout)["id"]

    first = create()
    edit(pillar, "routing.sls", "prepend: 1", "prepend: 2")
    return first, create()


def finish(where, number):
    """Play a rollout to its end, as an engine on a healthy fleet would."""
    with_store = Store(parse(where))
    told = Journal(with_store).brief(number)
    play = object.__new__(Stored)
    play.journal, play.number = Journal(with_store), number
    play.lease = Leases(with_store).acquire("master1", 3600)
    super(Stored, play).__init__(told)
    play.run()
    with_store.close()


def test_the_first_rollout_changes_every_host(run, releases):
    document = json.loads(run("plan", releases[0], "--json").stdout)
    assert (document["hosts"], document["unchanged"]) == (4, 0)
    page = run("plan", releases[0][:8]).stdout
    assert "4 hosts change, 0 stay as they are" in page
    assert "The first release of edge1.ams1, edge1.lhr1:" in page


def test_a_plan_has_only_hosts_that_change_and_says_what_each_wave_changes(run, releases, where):
    run("start", releases[0], "--yes", "--because", "first")
    finish(where, 1)
    page = run("plan", "newest").stdout
    assert "1 host changes, 3 stay as they are" in page
    assert "What wave canary changes" in page
    assert "prepend" in page
    document = json.loads(run("plan", "newest", "--json").stdout)
    (wave,) = document["waves"]
    assert wave["hosts"] == ["edge1.ams1"]
    assert wave["delta"]["announcements"]
    assert document["brief"]["release"] == releases[1]


def test_a_release_is_planned_where_no_policy_is(run, releases, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "pillar")
    assert run("plan", "newest").stdout
    assert "there is no folder pillar" in run("plan", exit_code=2).output


def test_nothing_to_change_is_said(run, releases, where):
    run("start", releases[0], "--yes")
    finish(where, 1)
    assert "None of its plans differs" in run("plan", releases[0]).stdout


def test_start_is_asked_for_on_a_terminal_and_refused_elsewhere_without_yes(run, releases):
    outcome = run("start", "newest", exit_code=1)
    assert "4 hosts change" in outcome.stdout
    assert "give --yes" in outcome.output
    assert "There is no rollout yet" in run("history").output


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1)])
def test_on_a_terminal_somebody_says_yes_or_no(releases, where, answer, status):
    outcome, text = on_terminal(["rollout", "start", "newest", "--store", where], answer)
    assert f"Roll release {releases[1][:12]} out to 4 hosts in 3 waves?" in text
    assert outcome == status
    assert ("Rollout 1 started" in text) == (status == 0)
    assert ("Nothing was started" in text) == (status == 1)


def on_terminal(arguments, answer):
    """Run a command on a terminal of its own: its exit status, and what it showed."""
    main, other = pty.openpty()
    command = [sys.executable, "-m", "tidegate.cli.main", *arguments]
    environment = {**os.environ, "COLUMNS": "140", "NO_COLOR": "1", "TERM": "dumb"}
    with subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=environment) as process:
        os.close(other)
        os.write(main, answer.encode())
        shown = bytearray()
        while True:
            try:
                some = os.read(main, 4096)
            except OSError:
                break
            if not some:
                break
            shown += some
        process.wait(30)
    os.close(main)
    return process.returncode, " ".join(shown.decode().split())


def test_start_for_programs_says_the_number(run, releases, local):
    document = json.loads(run("start", releases[0], "--yes", "--json", "--because", "NET-5").stdout)
    assert (document["rollout"], document["hosts"]) == (1, 4)
    rollout = Journal(local).rollout(1)
    assert (rollout.who, rollout.why, rollout.release) == ("ann", "NET-5", releases[0])


def test_hosts_are_chosen_by_label(run, releases):
    document = json.loads(run("plan", releases[0], "--match", "pop=lhr1", "--json").stdout)
    assert sorted(host for wave in document["waves"] for host in wave["hosts"]) == ["edge1.lhr1", "edge2.lhr1"]
    both = json.loads(run("plan", releases[0], "-m", "pop=lhr1", "-m", "pop=ams1", "--json").stdout)
    assert both["hosts"] == 3
    for word, message in (
        ("pop=lhr9", "No host of the release matches pop=lhr9"),
        ("popp=lhr1", "Did you mean 'pop'?"),
        ("lhr1", "expected LABEL=VALUE"),
    ):
        assert message in run("plan", releases[0], "--match", word, exit_code=1).output


def test_an_emergency_and_a_freeze_need_a_reason(run, releases):
    for option in ("--emergency", "--override-freeze"):
        outcome = run("start", releases[0], option, "--yes", exit_code=1)
        assert f"{option} needs a reason: give --because TEXT" in outcome.output
    document = json.loads(
        run("start", releases[0], "--emergency", "--override-freeze", "--because", "attack", "--yes", "--json").stdout
    )
    assert (document["brief"]["strategy"], document["brief"]["override_freeze"]) == ("emergency", True)
    assert len(document["waves"]) >= 2


def test_a_rollout_on_the_same_hosts_has_to_supersede(run, releases, local):
    run("start", releases[0], "--yes")
    assert "Rollout 1 has edge1.ams1" in run("start", releases[1], "--yes", exit_code=1).output
    assert "Rollout 2 started" in run("start", releases[1], "--yes", "--supersede", 1).stdout
    assert Journal(local).events(1)[-1].kind == "superseded"
    assert json.loads(run("status", "--json", exit_code=GOING).stdout)["number"] == 2
    assert "superseded" in run("status", 1, exit_code=BACK).stdout


def test_hosts_of_a_superseded_rollout_that_may_run_anything_get_the_release_again(run, releases, where, local):
    """They are assigned to what they had, and a rollout of just that must not take them for unchanged."""
    run("start", releases[0], "--yes")
    finish(where, 1)
    run("start", releases[1], "--yes")
    play = object.__new__(Stored)
    play.journal, play.number = Journal(local), 2
    play.lease = Leases(local).acquire("master1", 3600)
    super(Stored, play).__init__(Journal(local).brief(2))
    play.apply["edge1.ams1"] = "lost"
    while play.state.hosts["edge1.ams1"].phase.value != "unknown":
        play.step()
    assert Assignments(local).release_of("edge1.ams1") == releases[0]
    document = json.loads(run("rollback", "--to", releases[0], "--yes", "--json").stdout)
    assert (document["rollout"], document["waves"][0]["hosts"]) == (3, ["edge1.ams1"])


def test_an_old_rollout_is_rolled_back_by_a_new_one(run, releases, where, local):
    for release in releases:
        run("start", release, "--yes")
        finish(where, len(Journal(local).rollouts()))
    document = json.loads(run("rollback", 2, "--to", releases[0][:10], "--yes", "--json").stdout)
    assert (document["rollout"], document["hosts"]) == (3, 1)
    assert Journal(local).rollout(3).why == "rollback of rollout 2"


def test_what_was_shown_is_what_starts(run, releases, local):
    run("start", releases[0], "--yes", "--match", "pop=lhr1")
    assert set(Journal(local).brief(1).hosts) == {"edge1.lhr1", "edge2.lhr1"}


# --- watch ------------------------------------------------------------------------------------------------------------


def test_watch_in_a_pipe_is_a_line_for_each_event_and_ends_with_the_rollout(run, local):
    play = playing(stored(local))
    lines = run("watch", 1).stdout.splitlines()
    assert len(lines) == len(play.events) + 1
    assert lines[0].endswith("started by ann: NET-1")
    assert lines[-1] == "Rollout 1 completed"


def test_watch_ends_when_people_are_needed_and_says_so(run, local):
    play = stored(local, on_failure="pause")
    play.apply["a2"] = "failed"
    playing(play, "stopped")
    outcome = run("watch", exit_code=PEOPLE)
    assert "'tidegate rollout explain 1' says what you can do" in outcome.stdout


def test_watch_for_programs_is_an_object_a_line(run, local):
    play = playing(stored(local))
    *events, last = map(json.loads, run("watch", 1, "--json").stdout.splitlines())
    assert [event["kind"] for event in events] == play.kinds()
    assert (last["kind"], last["standing"]) == ("view", "good")


def test_watch_leaves_after_its_time_and_says_that_no_engine_is_there(run, local):
    play = stored(local)
    play.give_up(local)
    outcome = run("watch", "--timeout", "1s", exit_code=GOING)
    assert "No engine holds the lease" in outcome.output
    assert "expected one such as 30s" in run("watch", "--timeout", "soon", exit_code=1).output


def test_who_leaves_leaves_the_rollout_running(local, where):
    play = stored(local)
    command = [sys.executable, "-m", "tidegate.cli.main", "rollout", "watch", "--store", where]
    # Where the tests run in the background, a shell has told them to ignore what Ctrl-C sends.
    listening = ["env", "--default-signal=INT", *command]
    with subprocess.Popen(listening, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert "started by ann" in process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == GOING
    assert "Rollout 1 goes on without you" in errors
    assert Journal(local).events(play.number)[-1].kind == "started"


def test_a_store_that_is_gone_for_a_while_ends_nothing(local, monkeypatch):
    from tidegate.cli.watch import follow
    from tidegate.release.errors import StoreError
    from tidegate.rollout.following import Following
    from tidegate.rollout.standing import Standing

    class Screen:
        def __init__(self):
            self.notes, self.events = [], []

        def show(self, view, events):
            self.events += events

        def note(self, text):
            self.notes.append(text)

        def end(self, view):
            self.last = view

    play = stored(local)
    follower = Following(local, play.number)
    read, gone = follower.read, [True, True]

    def sometimes():
        if gone:
            gone.pop()
            raise StoreError("The store is out of reach.")
        return read()

    monkeypatch.setattr(follower, "read", sometimes)
    play.run()
    screen = Screen()
    assert follow(follower, screen, sleep=lambda _: None) is Standing.GOOD
    assert len(screen.notes) == 2
    assert [event.seq for event in screen.events] == list(range(1, len(play.events) + 1))


def test_on_a_terminal_the_page_is_drawn_and_left_there(local, where):
    playing(stored(local))
    status, text = on_terminal(["rollout", "watch", "1", "--store", where], "")
    assert status == 0
    assert "Rollout 1 completed" in text
    assert "Margins" in text
