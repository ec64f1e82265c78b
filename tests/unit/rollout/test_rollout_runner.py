"""`salt-run rollout.…` as a master runs it: Salt's loader, the repository's folders, nothing installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stored import stored

from tidegate.cli.rollout import app
from tidegate.release.location import parse
from tidegate.release.store import Store
from tidegate.rollout import operations_runner, runner
from tidegate.rollout.journal import Journal
from tidegate.rollout.lease import Leases

REPOSITORY = Path(__file__).parents[3]
PROGRAM = (
    (Path(__file__).parents[1] / "release" / "test_runner.py").read_text().split('PROGRAM = """')[1].split('"""')[0]
)


@pytest.fixture
def run(tmp_path):
    def run(function, *arguments):
        command = [sys.executable, "-c", PROGRAM, str(REPOSITORY), str(tmp_path), function, *arguments]
        environment = {key: value for key, value in os.environ.items() if key != "TIDEGATE_STORE"}
        outcome = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
        assert outcome.returncode == 0, outcome.stderr
        return json.loads(outcome.stdout.splitlines()[-1])["answer"]

    return run


@pytest.fixture
def there(tmp_path):
    opened = Store(parse(str(tmp_path / "store.db")), create=True)
    yield opened
    opened.close()


def test_a_rollout_from_plan_to_status(run, there):
    release = run("release.create")["id"]
    plan = run("rollout.plan", "match={pop: lhr1}")
    assert (plan["retcode"], plan["release"], plan["hosts"]) == (0, release, 2)
    started = run("rollout.start", "newest", "because=NET-1", "match=pop=lhr1")
    assert (started["retcode"], started["rollout"], started["hosts"]) == (0, 1, 2)
    rollout = Journal(there).rollout(1)
    assert (rollout.who, rollout.why) == ("sudo_ann", "NET-1")
    status = run("rollout.status")
    assert (status["retcode"], status["standing"]) == (5, "going")
    assert run("rollout.pause", "1", "because=wait")["kind"] == "paused"
    assert run("rollout.status")["retcode"] == 3
    explained = run("rollout.explain")
    assert explained["where"].startswith("Rollout 1 of release")
    assert [event["kind"] for event in run("rollout.history", "1")["events"]] == ["started", "paused"]
    assert run("rollout.history")["rollouts"][0]["number"] == 1


def test_what_is_asked_for_is_written_by_the_person(run, there):
    play = stored(there, on_failure="pause")
    play.apply["a2"] = "failed"
    play.run("stopped")
    assert run("rollout.retry", "hosts=a2")["hosts"] == ["a2"]
    skipped = run("rollout.skip_host", "a2", "because=DC-7")
    assert (skipped["retcode"], skipped["who"], skipped["why"]) == (0, "sudo_ann", "DC-7")
    assert run("rollout.rollback", "waves=canary")["waves"] == ["canary"]
    assert run("rollout.rollback", "1", "everything=True", "because=x")["waves"] is None
    assert run("rollout.abort")["kind"] == "aborted"


def test_watching_ends_with_the_rollout_and_its_exit_status(run, there):
    stored(there).run()
    watched = run("rollout.watch", "1")
    assert (watched["retcode"], watched["status"]) == (0, "completed")


def test_failures_are_a_sentence_and_an_exit_status(run, there, tmp_path):
    run("release.create")
    answer = run("rollout.start", "1234567")
    assert (answer["retcode"], "Salt read the release's id as the number" in answer["error"]) == (1, True)
    opts = {"tidegate": {"store": str(tmp_path / "store.db")}}
    request = dict.fromkeys(("match", "emergency", "override_freeze", "supersede", "because"))
    far = dict.fromkeys(("waves", "all", "to"))
    for answer, message in (
        (runner.status(opts, "nine"), "'nine' is no number"),
        (runner.status(opts, 9), "There is no rollout 9"),
        (runner.ask(opts, None, "ann", "pause", ""), "No rollout is under way"),
        (runner.rollback(opts, 1, far, None, "ann"), "Say how far"),
        (runner.plan(opts, "newest", {}, False), "match is empty"),
        (runner.plan(opts, "newest", "pop=lhr9", False), "No host of the release matches pop=lhr9"),
        (runner.start(opts, "newest", {**request, "emergency": True}, "ann"), "needs a reason"),
        (runner.watch(opts, None, "soon", print), "No rollout is under way"),
        (operations_runner.end(opts, None, None, "ann"), "No operation was named"),
    ):
        assert answer["retcode"] == 1
        assert message in answer["error"]


def test_operations(run, there):
    run("release.create")
    drained = run("rollout.drain", "host=edge1.ams1", "because=DC-1", "lasts=2h", "later=True")
    assert (drained["retcode"], drained["target"], drained["hosts"]) == (0, {"host": "edge1.ams1"}, ["edge1.ams1"])
    assert run("rollout.hold", "pop=lhr1", "because=DC-2")["kind"] == "hold"
    assert run("rollout.pause_hosts", "pop=iad1", "because=DC-3")["kind"] == "pause"
    assert [one["kind"] for one in run("rollout.operations")["operations"]] == ["drain", "hold", "pause"]
    assert run("rollout.undrain", "host=edge1.ams1", "later=True")["ended"][0]["id"] == 1
    assert run("rollout.end_operation", "2")["ended_by"] == "sudo_ann"
    assert run("rollout.drain", "because=x", "later=True")["retcode"] == 1
    assert Leases(there).current() is None


def test_every_verb_of_the_command_is_one_of_the_runner():
    spec = importlib.util.spec_from_file_location("rollout_runner", REPOSITORY / "_runners" / "rollout.py")
    face = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(face)
    for command in app.registered_commands:
        assert callable(getattr(face, command.name.replace("-", "_"), None)), command.name
