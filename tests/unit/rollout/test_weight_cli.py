"""`tidegate weight` and `salt-run rollout.weight`: over a real store whose hosts balance over servers."""

import json
from datetime import datetime, timezone

import pytest
from answering import Answering, report, states
from stored import assign
from test_weights import balancer, service
from typer.testing import CliRunner

from tidegate.cli import masters
from tidegate.cli.main import app
from tidegate.host.plan import canonical, seal
from tidegate.release.location import parse
from tidegate.release.operations import Operations
from tidegate.release.release import Draft
from tidegate.release.served import served
from tidegate.release.store import Store
from tidegate.rollout import operations_runner

EDGES = ("edge1", "edge2", "edge3")
POLICY = {
    "fleet": {
        "regions": {"eu": {"pops": {"lhr1": {}}}},
        "hosts": {name: {"pop": "lhr1"} for name in (*EDGES, "server1", "server2", "server3")},
    },
    "balancing": {"services": {"web": {}, "dns": {}, "mail": {}}},
}


def plans():
    """Two hosts balance web and dns, one balances nothing."""
    both = balancer(service("web"), {**service("dns", ("server1", "server2")), "encapsulation": "ipip"})
    of = {"edge1": both, "edge2": both, "edge3": balancer()}
    return {
        host: seal({**{key: value for key, value in plan.document.items() if key != "digest"}, "host": host})
        for host, plan in of.items()
    }


@pytest.fixture
def where(tmp_path):
    return str(tmp_path / "store.db")


@pytest.fixture
def fleet(where):
    opened = Store(parse(where), create=True)
    release, _ = opened.add(Draft(canonical(POLICY), plans()), who="ann", newest=None)
    assign(opened, dict.fromkeys(EDGES, release.id))
    yield opened
    opened.close()


@pytest.fixture
def run(where):
    def run(*arguments, exit_code=0):
        environment = {"COLUMNS": "160", "NO_COLOR": "1", "TIDEGATE_STORE": where, "SUDO_USER": "ann"}
        outcome = CliRunner().invoke(app, list(map(str, arguments)), env=environment)
        assert outcome.exit_code == exit_code, outcome.output
        return outcome

    return run


def share(fleet, host, name, backend):
    plan = served(fleet, host, datetime.now(timezone.utc)).plan
    services = {one["name"]: one for one in plan.xdp["balancing"]["services"]}
    return {one["host"]: one for one in services[name]["backends"]}.get(backend)


def test_a_weight_reaches_every_balancer_of_the_backend_and_nobody_else(run, fleet):
    outcome = run("weight", "server1", "--to", 10, "--because", "warms up", "--for", "30m", "--json")
    document = json.loads(outcome.stdout)
    assert document["hosts"] == ["edge1", "edge2"]
    for host in ("edge1", "edge2"):
        assert share(fleet, host, "web", "server1")["weight"] == 10
        assert share(fleet, host, "web", "server2")["weight"] == 100
    assert "weight  host server1  10" in run("operation").stdout


def test_on_the_master_the_balancers_are_told_at_once(run, fleet, monkeypatch):
    there = Answering({host: report() for host in EDGES}, {host: states() for host in EDGES})
    monkeypatch.setattr(masters, "here", lambda: True)
    monkeypatch.setattr(masters, "fleet", lambda: there)
    outcome = run("weight", "server1", "--to", 10, "--because", "warms up")
    assert "Operation 1: weight of host server1 begun" in outcome.stdout
    assert "2 hosts of 2 run what they are served" in outcome.stdout


def test_the_weight_by_hand_ends(run, fleet):
    run("weight", "server1", "--to", 10, "--because", "x")
    run("weight", "server1", "--back")
    assert share(fleet, "edge1", "web", "server1")["weight"] == 100
    assert "There is no weight of host server1 to end" in run("weight", "server1", "--back", exit_code=1).output


def test_a_drain_keeps_old_flows_or_is_refused(run, fleet):
    refused = run("weight", "server1", "--drain", "--because", "x", exit_code=1)
    assert "dns sends by ipip, which cannot keep old flows" in refused.output
    run("weight", "server1", "service=web", "--drain", "--because", "x")
    assert share(fleet, "edge1", "web", "server1")["draining"]
    assert not share(fleet, "edge1", "dns", "server1")["draining"]


def test_the_last_backend_is_not_taken_away(run, fleet):
    run("weight", "server1", "service=dns", "--to", 0, "--because", "x")
    refused = run("weight", "server2", "service=dns", "--to", 0, "--because", "x", exit_code=1)
    assert "On edge1 no backend of dns would take new flows" in refused.output
    assert len(Operations(fleet).active(datetime.now(timezone.utc))) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["server9", "--to", 1], "No balancer uses a backend server9. Did you mean 'server"),
        (["server3", "service=dns", "--to", 1], "No balancer uses a backend server3 of dns"),
        (["service=web", "--to", 1], "A weight is of one backend: name its host"),
        (["pop=lhr1", "--to", 1], "A weight cannot be of a pop"),
        (["server1"], "Say one of --to WEIGHT, --drain and --back"),
        (["server1", "--to", 1, "--drain"], "Say one of --to WEIGHT, --drain and --back"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(run, fleet, arguments, message):
    assert message in run("weight", *arguments, "--because", "x", exit_code=1).output


def test_a_weight_needs_a_reason(run, fleet):
    assert "needs a reason" in run("weight", "server1", "--to", 1, exit_code=1).output


def test_the_runner_does_the_same(fleet, where):
    opts = {"tidegate": {"store": where}}
    request = {"to": "drain", "because": "DC-12", "lasts": None, "later": True}
    answer = operations_runner.weight(opts, {"host": "server1", "service": "web"}, request, "ann")
    assert answer["retcode"] == 0, answer
    assert answer["hosts"] == ["edge1", "edge2"]
    assert share(fleet, "edge1", "web", "server1")["draining"]
    ended = operations_runner.weight(opts, {"host": "server1", "service": "web"}, {**request, "to": None}, "ann")
    assert [one["ended_by"] for one in ended["operations"]] == ["ann"]
