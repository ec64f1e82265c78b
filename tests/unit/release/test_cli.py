"""`tidegate release` as people and programs meet it."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tidegate.cli.main import app
from tidegate.host.plan import Plan

REPOSITORY = Path(__file__).parents[3]
TEMPLATES = REPOSITORY / "salt" / "traffic" / "templates"


@pytest.fixture
def pillar(tmp_path):
    """A copy of the example policy, to edit."""
    return Path(shutil.copytree(REPOSITORY / "pillar", tmp_path / "pillar"))


@pytest.fixture
def run(tmp_path, pillar):
    def run(*arguments, exit_code=0):
        terminal = {"COLUMNS": "200", "NO_COLOR": "1"}
        environment = {**terminal, "TIDEGATE_STORE": str(tmp_path / "store.db"), "SUDO_USER": "ann"}
        extra = ["--pillar", str(pillar)] if arguments[0] == "create" else []
        outcome = CliRunner().invoke(app, ["release", *arguments, *extra], env=environment)
        assert outcome.exit_code == exit_code, outcome.output
        return outcome

    return run


def edit(pillar, file, old, new):
    path = pillar / "traffic" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def two(run, pillar):
    """Ids of two releases: the example, and the example with a port less in a filter rule."""
    first = json.loads(run("create", "--json", "--note", "the first").stdout)["id"]
    edit(pillar, "filtering.sls", "1900, 11211", "1900")
    return first, json.loads(run("create", "--json").stdout)["id"]


def test_create_says_what_it_made_and_the_second_time_that_nothing_changed(run):
    outcome = run("create", "--note", "the first")
    assert "created" in outcome.stdout
    assert "4 hosts" in outcome.stdout
    again = run("create")
    assert "Nothing has changed: this is release" in again.stdout
    assert "by ann" in again.stdout


def test_create_for_programs(run):
    first, again = (json.loads(run("create", "--json").stdout) for _ in range(2))
    assert (first["new"], again["new"]) == (True, False)
    assert first["release"] == again["release"]
    assert first["release"]["who"] == "ann"


def test_a_dry_run_says_the_id_and_stores_nothing(run, tmp_path):
    dry = json.loads(run("create", "--dry-run", "--json").stdout)
    assert dry["release"] is None
    assert not (tmp_path / "store.db").exists()
    assert json.loads(run("create", "--json").stdout)["id"] == dry["id"]
    assert "Nothing has changed" in run("create", "--dry-run").stdout


def test_a_broken_policy_points_to_check(run, pillar):
    edit(pillar, "filtering.sls", "source: bogons", "source: bogon")
    assert "tidegate check" in run("create", exit_code=1).output


def test_a_broken_rule_is_shown_with_its_findings_and_can_be_waived(run, pillar):
    run("create")
    edit(pillar, "routing.sls", "pop: [lhr1, iad1]", "pop: iad1")
    refused = run("create", exit_code=1)
    assert "withdrawal-budget" in refused.output
    assert "2 of 6 (PoP, prefix) pairs are withdrawn" in refused.output
    assert "No release was created" in refused.output
    findings = json.loads(run("create", "--json", exit_code=1).stdout)["findings"]
    rules = sorted({finding["rule"] for finding in findings})
    waivers = [word for rule in rules for word in ("--waive", rule, "--because", "NET-123")]
    assert "waived withdrawal-budget" in run("create", *waivers).stdout
    shown = run("show").stdout
    assert "waived withdrawal-budget  because NET-123" in shown
    assert "2 of 6 (PoP, prefix) pairs are withdrawn" in shown


def test_a_waiver_needs_its_own_reason(run):
    assert "each rule needs its own reason" in run("create", "--waive", "min-pops", exit_code=2).output
    twice = ("--waive", "min-pops", "--because", "a") * 2
    assert "waived twice" in run("create", *twice, exit_code=2).output
    assert "no rule 'min-pop'" in run("create", "--waive", "min-pop", "--because", "a", exit_code=1).output


def test_list_shows_the_newest_first(run, two):
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["release", two[1][:12], two[0][:12]]
    assert "the first" in lines[2]
    assert "ann" in lines[2]
    assert [release["id"] for release in json.loads(run("list", "--json", "-n", "1").stdout)] == [two[1]]


def test_show_a_release_by_how_its_id_begins_or_the_newest(run, two):
    assert f"Release {two[0]}" in run("show", two[0][:6]).stdout
    assert f"Release {two[1]}" in run("show").stdout
    document = json.loads(run("show", two[0], "--json").stdout)
    assert document["note"] == "the first"
    assert len(document["plans"]) == 4


def test_show_one_host(run, two):
    assert "AS 64500" in run("show", two[0], "--host", "edge1.lhr1").stdout
    plan = json.loads(run("show", two[0], "--host", "edge1.lhr1", "--json").stdout)
    assert Plan.from_document(plan, "edge1.lhr1")
    assert "Did you mean 'edge1.lhr1'?" in run("show", two[0], "--host", "edge1.lh1", exit_code=1).output


def test_show_gives_the_policy_back(run, two):
    assert json.loads(run("show", two[0], "--policy").stdout)["routing"]["asn"] == 64500


def test_delta(run, two):
    assert run("delta", *two).stdout.strip()
    document = json.loads(run("delta", *two, "--json").stdout)
    assert (document["before"], document["after"]) == two
    assert document["rules"]


def test_delta_as_text_diffs(run, two):
    plans = run("delta", *two, "--diff", "plan").stdout
    assert plans.splitlines()[0] == "edge1.ams1, edge1.iad1, edge1.lhr1 and 1 more"
    assert plans.count("-            11211") == 2
    assert run("delta", *two, "--diff", "bird", "--templates", str(TEMPLATES)).stdout == ""


def test_a_diff_of_bird_conf_has_no_secrets(run, pillar):
    first = json.loads(run("create", "--json").stdout)["id"]
    edit(pillar, "routing.sls", "64500:100", "64500:101")
    second = json.loads(run("create", "--json").stdout)["id"]
    text = run("delta", first, second, "--diff", "bird", "--templates", str(TEMPLATES)).stdout
    assert "+" in text
    assert "101" in text


def test_verify_ends_with_1_if_something_was_altered(run, two, tmp_path):
    assert run("verify").stdout.count("intact") == 2
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection, connection:
        connection.execute("UPDATE plan SET document = replace(document, 'drop', 'pass')")
    assert "was altered" in run("verify", two[0], exit_code=1).stdout
    (outcome,) = json.loads(run("verify", two[0], "--json", exit_code=1).stdout)
    assert outcome["damage"]


@pytest.mark.parametrize("arguments", [["list"], ["show"], ["delta", "a", "b"], ["verify"]])
def test_without_a_store_there_is_one_sentence(run, arguments):
    outcome = run(*arguments, exit_code=1)
    assert "There is no store in" in outcome.output
    assert len(outcome.output.splitlines()) == 1


def test_an_error_for_programs_is_json(run):
    assert "There is no store" in json.loads(run("list", "--json", exit_code=1).stdout)["error"]


@pytest.mark.parametrize(
    "arguments", [["show", "nonsense"], ["show", "ffff"], ["delta", "f" * 64, "f"], ["verify", "f f"]]
)
def test_an_unknown_release_is_one_sentence(run, two, arguments):
    assert len(run(*arguments, exit_code=1).output.splitlines()) == 1


def test_a_store_option_comes_before_the_environment(run, tmp_path):
    run("create", "--store", str(tmp_path / "elsewhere.db"))
    assert (tmp_path / "elsewhere.db").exists()
    assert not (tmp_path / "store.db").exists()
