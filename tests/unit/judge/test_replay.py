"""A judgement of the past is made again from what was kept, and comes out the same."""

import json

import numpy as np
import pytest
from series import comparison, counter, gauge, now
from typer.testing import CliRunner

from tidegate.cli.main import app
from tidegate.judge.case import Case
from tidegate.judge.differences import differences
from tidegate.judge.metric import Metric
from tidegate.judge.picture import picture
from tidegate.judge.recording import Recording
from tidegate.judge.text import lines

CHOSEN = comparison(4, 3, 3)


@pytest.fixture(scope="module")
def case():
    metrics = [gauge(CHOSEN, shift=5), counter(CHOSEN), Metric(gauge(CHOSEN).definition, failure="down")]
    return Case.judged(metrics, CHOSEN, now(12))


@pytest.fixture
def kept(case, tmp_path):
    file = tmp_path / "case.json"
    file.write_text(json.dumps(case.as_dict()))
    return file


def run(*arguments):
    return CliRunner().invoke(app, ["judge", *map(str, arguments)])


def test_a_recording_survives_the_store(case):
    again = Recording.of(json.loads(json.dumps(case.recording.as_dict())))
    assert again.comparison == case.recording.comparison
    for ours, theirs in zip(case.recording.metrics, again.metrics, strict=True):
        assert ours.definition == theirs.definition
        for name in ("before", "after", "broken", "resets", "age"):
            assert np.array_equal(getattr(ours.blocks, name), getattr(theirs.blocks, name))


def test_what_is_replayed_is_the_same_to_the_last_digit(case):
    again = Case.of(json.loads(json.dumps(case.as_dict())))
    assert again.replayed().as_dict() == case.judgement.as_dict()
    assert not differences(again.judgement, again.replayed())


def test_the_command_says_so(case, kept):
    found = run("--replay", kept)
    assert found.exit_code == 0, found.output
    assert "The same as it was judged then." in found.output
    assert case.judgement.reason in found.output


def test_it_reads_a_gate_s_verdict_too(case, tmp_path):
    file = tmp_path / "verdict.json"
    verdict = {"gate": "metrics", "outcome": "fail", "reason": "", "evidence": case.as_dict()}
    file.write_text(json.dumps(verdict))
    assert run("--replay", file).exit_code == 0


def test_a_judgement_that_no_longer_holds_is_an_exit_status_of_its_own(case, tmp_path):
    document = case.as_dict()
    document["judgement"]["metrics"][0]["outcome"] = "pass"
    document["judgement"]["metrics"][0]["course"]["evidence"][-1] = 99.0
    file = tmp_path / "other.json"
    file.write_text(json.dumps(document))
    found = run("--replay", file)
    assert found.exit_code == 3
    assert "load: the verdict was pass, now it is" in found.output
    assert "evidence was 99, now it is" in found.output


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"judgement": {}}', '{"recording": {"format": 99}, "judgement": {}}']
)
def test_what_is_no_case_is_refused_in_words(text, tmp_path):
    file = tmp_path / "broken.json"
    file.write_text(text)
    found = run("--replay", file)
    assert found.exit_code == 1
    assert "cannot be replayed" in found.stderr
    assert "Traceback" not in found.output


def test_the_report_has_every_metric(case):
    report = "\n".join(lines(case.judgement))
    assert report.startswith(f"{case.judgement.outcome.upper()} at tick 12 of 30")
    for name in ("load", "errors"):
        assert f"\n{name}: " in report
    assert "the provider gave no data: down" in report


@pytest.mark.parametrize(("kind", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_it_is_drawn_the_same_each_time(case, kind, begins):
    pytest.importorskip("matplotlib", reason="tidegate[plots] is not installed")
    drawn = picture(case.judgement, kind)
    assert drawn.startswith(begins)
    assert drawn == picture(case.judgement, kind)


def test_the_command_draws(kept, tmp_path):
    pytest.importorskip("matplotlib", reason="tidegate[plots] is not installed")
    assert run("--replay", kept, "--plot", tmp_path / "it.svg").exit_code == 0
    assert (tmp_path / "it.svg").stat().st_size > 1000
    refused = run("--replay", kept, "--plot", tmp_path / "it.gif")
    assert refused.exit_code == 1
    assert "must end in .png or .svg" in refused.stderr


def test_json_has_the_judgement(kept, case):
    document = json.loads(run("--replay", kept, "--json").output)
    assert document["differences"] == []
    assert document["judgement"] == case.judgement.as_dict()
