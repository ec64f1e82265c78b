"""``tidegate rollout plan`` as people and programs meet it."""

import json
from pathlib import Path

import pytest
import yaml
from fleets import CANARY, FLEET, REST, document
from typer.testing import CliRunner

from tidegate.cli.main import app

PILLAR = Path(__file__).parents[3] / "pillar"


def run(*arguments):
    return CliRunner().invoke(app, ["rollout", "plan", *map(str, arguments)], env={"COLUMNS": "250", "NO_COLOR": "1"})


@pytest.fixture
def pillar(tmp_path):
    def write(*policy):
        (tmp_path / "traffic").mkdir()
        (tmp_path / "traffic" / "all.sls").write_text(yaml.safe_dump({"traffic": document(*policy)}))
        return tmp_path

    return write


def test_the_example_is_shown_in_three_waves():
    outcome = run("--pillar", PILLAR)
    assert outcome.exit_code == 0, outcome.output
    for words in (
        "4 hosts in 3 PoPs, 3 waves",
        "one host of every class",
        "up to 75 % of all hosts",
        "edge1.ams1  ams1  gen11  no baseline",
        "edge2.lhr1 (same PoP)",
    ):
        assert words in outcome.stdout


def test_a_policy_without_rollout_has_the_default_waves_and_is_told_so(pillar):
    outcome = run("--pillar", pillar(FLEET))
    assert "default waves" in outcome.stdout
    for name in ("canary", "pop", "half", "all"):
        assert name in outcome.stdout
    assert json.loads(run("--pillar", PILLAR, "--json").stdout)["default"] is False


def test_a_page_is_plain_and_at_most_100_wide(pillar):
    many = {f"a-rather-long-name-of-a-host-{number}.lhr1": ("lhr1", f"generation-{number % 9}") for number in range(90)}
    outcome = run("--pillar", pillar(many, [CANARY, {"name": "half", "percent": 50}, REST]))
    assert outcome.exit_code == 0, outcome.output
    assert "\x1b" not in outcome.stdout
    assert max(map(len, outcome.stdout.splitlines())) <= 100
    assert "--json names them" in outcome.stdout


def test_json_has_every_host_and_its_baseline():
    plan = json.loads(run("--pillar", PILLAR, "--json").stdout)
    assert plan["hosts"] == 4
    canary, most, rest = plan["waves"]
    assert canary == {
        "name": "canary",
        "why": "one host of every class",
        "hosts": ["edge1.ams1", "edge1.lhr1"],
        "regions": ["eu"],
        "pops": ["ams1", "lhr1"],
        "classes": ["gen11", "gen12"],
        "baseline": {"edge1.ams1": [], "edge1.lhr1": ["edge2.lhr1"]},
    }
    assert most["hosts"] == ["edge1.iad1"]
    assert rest["hosts"] == ["edge2.lhr1"]


def test_a_broken_policy_has_no_plan(pillar):
    outcome = run("--pillar", pillar(FLEET, [CANARY]))
    assert outcome.exit_code == 1
    assert "tidegate check" in outcome.output
