"""The command as people and programs meet it."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tidegate.cli.main import app

REPOSITORY = Path(__file__).parents[2]
PILLAR = str(REPOSITORY / "pillar")


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})


@pytest.fixture
def broken(tmp_path):
    """The example policy with a misspelt set, as a directory."""
    copy = tmp_path / "pillar"
    shutil.copytree(PILLAR, copy)
    file = copy / "traffic" / "filtering.sls"
    file.write_text(file.read_text().replace("source: bogons", "source: bogon"))
    return str(copy)


def test_a_good_policy_is_summed_up():
    outcome = run("check", PILLAR)
    assert outcome.exit_code == 0
    assert "is good" in outcome.stdout
    assert "4 hosts in 3 PoPs, 2 regions" in outcome.stdout


def test_a_bad_policy_ends_with_1_and_says_where_what_and_how(broken):
    outcome = run("check", broken)
    assert outcome.exit_code == 1
    for words in ("traffic/filtering.sls:11", "traffic.filtering.rules[0].source", '"bogon"', "Did you mean 'bogons'?"):
        assert words in outcome.stdout
    assert "1 error." in outcome.stdout


def test_the_folder_may_be_named_as_other_commands_name_it(broken):
    assert run("check", "--pillar", broken).stdout == run("check", broken).stdout


def test_what_is_balanced_is_counted(tmp_path):
    shutil.copytree(PILLAR, tmp_path / "pillar")
    web = {"vips": "192.0.2.10", "ports": "tcp/80", "pool": {"match": {"role": "edge"}}}
    text = json.dumps({"traffic": {"balancing": {"services": {"web": web}}}})
    (tmp_path / "pillar/traffic/balancing.sls").write_text(text)
    outcome = run("check", str(tmp_path / "pillar"))
    assert outcome.exit_code == 0, outcome.stdout
    assert "balancing  1 service on 4 balancers" in outcome.stdout
    shown = run("show", "edge1.lhr1", "--pillar", str(tmp_path / "pillar")).stdout
    assert "Balancing\nbalance web: 192.0.2.10 tcp/80 over 2 backends by gue" in shown


def test_json_is_for_programs(broken):
    good, bad = run("check", PILLAR, "--json"), run("check", broken, "--json")
    assert json.loads(good.stdout)["ok"] is True
    assert json.loads(good.stdout)["summary"]["sessions"] == 8
    assert bad.exit_code == 1
    (problem,) = json.loads(bad.stdout)["problems"]
    assert problem == {
        "file": "traffic/filtering.sls",
        "line": 11,
        "path": "traffic.filtering.rules[0].source",
        "message": "no such set or service",
        "value": "bogon",
        "expected": "a set, a service, or a prefix",
        "hint": "Did you mean 'bogons'?",
    }


def test_show_in_brief_has_all_three():
    outcome = run("show", "edge1.lhr1", "--pillar", PILLAR)
    assert outcome.exit_code == 0
    for words in (
        "AS 64500",
        "lhr1-transit-1-v4",
        "uplink (eth0)  20mbit",
        "priority 2  12mbit to 20mbit",
        "amplification",
    ):
        assert words in outcome.stdout


@pytest.mark.parametrize("version", ["2.0.12", "2.17", "3.1"])
def test_show_bird_has_names_of_secrets_and_no_values(version):
    outcome = run("show", "edge1.lhr1", "--part", "bird", "--bird-version", version, "--pillar", PILLAR)
    assert outcome.exit_code == 0, outcome.output
    assert "<secret bgp/lhr1-transit>" in outcome.stdout
    assert "protocol bgp peer_lhr1_transit_1_v4" in outcome.stdout


def test_show_plan_is_the_plan_itself():
    from tidegate.host.plan import Plan

    outcome = run("show", "edge1.ams1", "--part", "plan", "--pillar", PILLAR)
    assert Plan.from_document(json.loads(outcome.stdout), "edge1.ams1")


@pytest.mark.parametrize("part", ["bird", "tc", "xdp"])
def test_show_a_part_as_json(part):
    whole = json.loads(run("show", "edge1.ams1", "--json", "--pillar", PILLAR).stdout)
    assert json.loads(run("show", "edge1.ams1", "--part", part, "--json", "--pillar", PILLAR).stdout) == whole[part]


def test_an_unknown_host_is_a_usage_error_with_a_suggestion():
    outcome = run("show", "edge1.lh1", "--pillar", PILLAR)
    assert outcome.exit_code == 2
    assert "edge1.lhr1" in outcome.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "/nonexistent"],
        ["show"],
        ["show", "edge1.lhr1", "--part", "dns"],
        ["nonsense"],
        ["check", "--nonsense"],
        ["show", "edge1.lhr1", "--pillar", PILLAR, "--part", "bird", "--bird-version", "new"],
    ],
)
def test_a_usage_error_ends_with_2(arguments):
    assert run(*arguments).exit_code == 2


def test_show_of_a_broken_policy_points_to_check(broken):
    outcome = run("show", "edge1.lhr1", "--pillar", broken)
    assert outcome.exit_code == 1
    assert "tidegate check" in outcome.output


def test_the_schema_describes_every_field_():
    schema = json.loads(run("schema").stdout)
    assert schema["required"] == ["traffic"]
    for name, definition in schema["$defs"].items():
        assert definition.get("description"), name
        for option in [definition, *definition.get("anyOf", [])]:
            for field, shape in option.get("properties", {}).items():
                assert shape.get("description"), f"{name}.{field}"
