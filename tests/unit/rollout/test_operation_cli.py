"""`tidegate drain`, `undrain`, `operation` and `drift`: over real stores, with hosts that answer as tests say."""

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from answering import Answering, report, states
from stored import assign, stored
from typer.testing import CliRunner

from tidegate.cli import masters
from tidegate.cli.main import app
from tidegate.host.errors import Refused
from tidegate.release.location import parse
from tidegate.release.operations import Operations
from tidegate.release.served import served
from tidegate.release.store import Store
from tidegate.rollout import operating

REPOSITORY = Path(__file__).parents[3]
DRIFTED = 3
EDGES = ("edge1.lhr1", "edge2.lhr1", "edge1.ams1", "edge1.iad1")


@pytest.fixture
def where(tmp_path):
    return str(tmp_path / "store.db")


@pytest.fixture
def run(where):
    def run(*arguments, exit_code=0):
        environment = {"COLUMNS": "160", "NO_COLOR": "1", "TIDEGATE_STORE": where, "SUDO_USER": "ann"}
        outcome = CliRunner().invoke(app, list(map(str, arguments)), env=environment)
        assert outcome.exit_code == exit_code, outcome.output
        return outcome

    return run


@pytest.fixture
def fleet(run, where, tmp_path):
    """The example as a release that every host has; opened."""
    pillar = shutil.copytree(REPOSITORY / "pillar", tmp_path / "pillar")
    run("release", "create", "--pillar", pillar)
    opened = Store(parse(where))
    assign(opened, dict.fromkeys(EDGES, opened.newest().id))
    yield opened
    opened.close()


@pytest.fixture
def master(monkeypatch):
    """A Salt master on this machine, whose hosts do well unless a test says otherwise."""
    there = Answering({host: report() for host in EDGES}, {host: states() for host in EDGES})
    monkeypatch.setattr(masters, "here", lambda: True)
    monkeypatch.setattr(masters, "fleet", lambda: there)
    return there


def now():
    return datetime.now(timezone.utc)


# --- drain and undrain


def test_a_drain_is_kept_with_who_why_and_until_and_takes_announcements_back(run, fleet):
    outcome = run("drain", "edge1.ams1", "--because", "DC-12", "--for", "2h")
    assert "Operation 1: drain of host edge1.ams1 begun, until" in outcome.stdout
    assert "next highstate" in outcome.output
    (operation,) = Operations(fleet).active(now())
    assert (operation.who, operation.why, operation.settings) == ("ann", "DC-12", {"how": "withdraw"})
    assert timedelta(hours=1, minutes=59) < operation.until - now() <= timedelta(hours=2)
    assert served(fleet, "edge1.ams1", now()).plan.bird["services"] == []
    assert served(fleet, "edge1.lhr1", now()).plan.bird["services"] != []


def test_undrain_ends_exactly_that_drain(run, fleet):
    run("drain", "edge1.ams1", "--because", "DC-12")
    refused = run("undrain", "pop=ams1", exit_code=1)
    assert "There is no drain of pop ams1 to end. In effect: 1 (host edge1.ams1)." in refused.output
    assert "Operation 1: drain of host edge1.ams1 ended" in run("undrain", "edge1.ams1").stdout
    assert Operations(fleet).active(now()) == []


def test_a_drain_that_began_gracefully_ends_so(run, fleet):
    run("drain", "edge1.ams1", "--because", "power", "--gracefully", "300", "--later", "--below-min-pops")
    run("undrain", "edge1.ams1", "--later")
    (left,) = json.loads(run("operation", "list", "--json").stdout)
    assert (left["settings"], left["until"] is not None) == ({"how": "graceful"}, True)


def test_a_drain_that_leaves_too_few_pops_is_refused_unless_said_so(run, fleet):
    run("drain", "edge1.ams1", "--because", "DC-12")
    refused = run("drain", "pop=iad1", "--because", "DC-13", exit_code=1)
    assert "web would be announced in 1 PoPs, and must be in 2: nothing was drained" in refused.output
    assert len(Operations(fleet).active(now())) == 1
    run("drain", "pop=iad1", "--because", "DC-13", "--how", "graceful")
    run("drain", "pop=iad1", "--because", "DC-13", "--below-min-pops")


def test_one_of_two_hosts_of_a_pop_can_be_drained(run, fleet):
    run("drain", "edge1.lhr1", "--because", "DC-1")
    run("drain", "edge1.ams1", "--because", "DC-2")
    refused = run("drain", "edge2.lhr1", "--because", "DC-3", exit_code=1)
    assert "web would be announced in 1 PoPs" in refused.output


def test_on_the_master_the_hosts_are_told_at_once(run, fleet, master):
    outcome = run("drain", "pop=lhr1", "--because", "DC-1", "--how", "prepend", "--times", "3")
    assert "2 hosts of 2 run what they are served." in outcome.stdout
    ((function, hosts, kwargs),) = master.published
    assert (function, hosts, kwargs["mods"]) == ("state.apply", ["edge1.lhr1", "edge2.lhr1"], "traffic")
    run("undrain", "pop=lhr1", "--later")
    assert len(master.published) == 1


def test_a_host_that_does_not_answer_is_unknown_and_the_command_fails(run, fleet, master):
    del master.applies["edge1.ams1"]
    outcome = run("drain", "edge1.ams1", "--because", "x", "--wait", 1, "--json", exit_code=1)
    assert json.loads(outcome.stdout)["applied"]["edge1.ams1"]["outcome"] == "unknown"
    master.applies["edge1.ams1"] = states(good=False, comment="bird: health was bad; the change was undone")
    outcome = run("undrain", "edge1.ams1", exit_code=1)
    assert "0 hosts of 1 run what they are served." in outcome.stdout
    assert "reverted  bird: health was bad" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["edge1.amsl"], "There is no host 'edge1.amsl' in the newest release. Did you mean 'edge1.ams1'?"),
        (["pop=ams2"], "There is no pop 'ams2'"),
        (["rack=7"], "A drain cannot be of a rack"),
        (["pop=ams1", "edge1.lhr1"], "No host is host edge1.lhr1, pop ams1"),
        (["pop=ams1", "pop=lhr1"], "'pop' is named twice"),
        (["edge1.ams1", "--for", "2 hours"], "'2 hours' is no duration"),
        (["edge1.ams1", "--for", "0s"], "is no time for an operation to last"),
        (["edge1.ams1", "--how", "prepend"], "says how many times"),
    ],
)
def test_a_drain_that_makes_no_sense_is_refused_in_a_sentence(run, fleet, arguments, message):
    assert message in run("drain", *arguments, "--because", "x", exit_code=1).output
    assert Operations(fleet).all() == []


def test_a_drain_needs_a_reason(run, fleet):
    run("drain", "edge1.ams1", exit_code=2)
    assert "needs a reason" in run("drain", "edge1.ams1", "--because", "", exit_code=1).output


# --- operation


def test_holds_and_pauses_are_listed_with_what_ends_them(run, fleet):
    assert "No operation is in effect." in run("operation").output
    run("operation", "hold", "edge1.lhr1", "--because", "vendor is debugging", "--for", "1d")
    assert "pause of pop lhr1 of 2 hosts begun" in run("operation", "pause", "pop=lhr1", "--because", "power").stdout
    lines = run("operation").stdout.splitlines()
    assert lines[1].split()[:4] == ["1", "hold", "host", "edge1.lhr1"]
    assert "in 23 h 59 min" in lines[1] or "in 1 d" in lines[1] or "in 24 h" in lines[1]
    assert "when somebody ends it" in lines[2]
    assert "Operation 2: pause of pop lhr1 ended" in run("operation", "end", 2).stdout
    assert "was ended by ann" in run("operation", "end", 2, exit_code=1).output
    assert "There is no operation 9" in run("operation", "end", 9, exit_code=1).output
    assert [one["kind"] for one in json.loads(run("operation", "list", "--json").stdout)] == ["hold"]
    assert len(json.loads(run("operation", "list", "--all", "--json").stdout)) == 2


def test_operations_need_a_release_to_have_an_effect_on(run, where):
    Store(parse(where), create=True).close()
    refused = run("operation", "hold", "edge1.lhr1", "--because", "x", exit_code=1)
    assert "There is no release yet" in refused.output


def test_what_lasts_a_year_is_policy():
    with pytest.raises(Refused, match="at most 366 days"):
        operating.ends("367d")
    assert operating.ends(None) is None


# --- drift


def test_drift_is_listed_and_ends_with_3(run, fleet, master):
    master.reports["edge1.ams1"] = report(tc=["uplink: class bulk is 5mbit, not 2mbit"])
    del master.reports["edge1.iad1"]
    outcome = run("drift", exit_code=DRIFTED)
    assert "1 changed by hand, 1 unknown, 2 as they were given" in outcome.stdout
    assert "tc: uplink: class bulk is 5mbit, not 2mbit" in outcome.stdout
    assert "edge1.iad1  unknown  it did not answer" in outcome.stdout


def test_no_drift_ends_with_0_and_a_silent_host_never_does(run, fleet, master):
    assert "0 changed by hand, 0 unknown, 4 as they were given" in run("drift", "list").stdout
    master.reports["edge1.iad1"] = {"drift": None, "drift_id": None, "drift_reason": "a change is under way"}
    document = json.loads(run("drift", "list", "--json", exit_code=DRIFTED).stdout)
    assert document["unknown"] == {"edge1.iad1": "a change is under way"}
    master.reports["edge1.iad1"] = "Traceback (most recent call last): ..."
    assert "it answered something else" in run("drift", "list", exit_code=DRIFTED).stdout


def test_an_adopted_drift_is_explained_until_it_changes(run, fleet, master):
    master.reports["edge1.ams1"] = report(tc=["uplink: class bulk is 5mbit"])
    outcome = run("drift", "adopt", "edge1.ams1", "--because", "workaround, NET-9", "--for", "2d")
    assert "edge1.ams1 is left alone as it is (drift " in outcome.stdout
    listed = run("drift", "list").stdout
    assert "adopted by ann: workaround, NET-9" in listed
    assert "already" in run("drift", "adopt", "edge1.ams1", "--because", "x", exit_code=1).output
    master.reports["edge1.ams1"] = report(tc=["uplink: class bulk is 6mbit"])
    run("drift", "list", exit_code=DRIFTED)


def test_only_what_can_be_seen_is_adopted(run, fleet, master):
    assert "there is nothing to adopt" in run("drift", "adopt", "edge1.ams1", "--because", "x", exit_code=1).output
    del master.reports["edge1.ams1"]
    assert "cannot be seen" in run("drift", "adopt", "edge1.ams1", "--because", "x", exit_code=1).output
    assert "Did you mean 'edge1.ams1'?" in run("drift", "adopt", "edge1.amsl", "--because", "x", exit_code=1).output
    assert Operations(fleet).all() == []


def test_restore_has_the_named_hosts_apply_what_they_are_served(run, fleet, master):
    assert "1 host of 1 runs what they are served." in run("drift", "restore", "edge1.ams1").stdout
    assert master.published[0][1] == ["edge1.ams1"]
    master.applies["edge1.ams1"] = states(good=False, comment="tc: no such device")
    assert "failed  tc: no such device" in run("drift", "restore", "edge1.ams1", exit_code=1).stdout
    run("drift", "restore", exit_code=2)


def test_elsewhere_than_on_the_master_the_last_look_is_shown(run, where):
    opened = Store(parse(where), create=True)
    assert "No rollout has looked at hosts yet" in run("drift").output
    play = stored(opened)
    play.problems = {"a1": "was changed by hand: tc: eth0"}
    play.run("blocked")
    outcome = run("drift", exit_code=DRIFTED)
    assert "rollout 1 looked at hosts" in outcome.stdout
    assert "a1  was changed by hand: tc: eth0" in outcome.stdout
    assert "give this command on the master" in run("drift", "restore", "a1", exit_code=1).output
    opened.close()
