"""A rollout whose gate compares hosts: the judge lets it go on, stops it, or asks for people."""

import json
from dataclasses import replace

import pytest
from imitated import Scene
from play import Play, brief
from serving import Measured, serving
from typer.testing import CliRunner

from tidegate.cli.main import app
from tidegate.policy.compared import Compared, Judge
from tidegate.rollout.brief import Pace, PlannedWave
from tidegate.rollout.cases import kept
from tidegate.rollout.event import Event
from tidegate.rollout.gates import judge
from tidegate.rollout.verdict import Verdict, counts, lost

WAVES = {
    "canary": [f"{pop}{number}" for pop in "abcd" for number in range(1, 7)],
    "all": [f"{pop}{number}" for pop in "abcd" for number in range(7, 13)],
}
BASELINE = {host: tuple(name for name in WAVES["all"] if name[0] == host[0]) for host in WAVES["canary"]}
GATES = ("health", "latency")
SOAK = 600.0
LATENCY = {"name": "latency", "query": 'latency{host=~"{{ hosts }}"}', "kind": "latency", "margin": "30%"}


@pytest.fixture
def url(tmp_path):
    """SQLite is enough: what a journal is kept in is tested elsewhere."""
    return str(tmp_path / "store.db")


@pytest.fixture
def scene(store, monkeypatch):
    scene = Scene(store, WAVES)
    # One clock for the journal and for what is measured.
    monkeypatch.setattr("tidegate.rollout.journal._now", scene.clock.utc)
    return scene


def begun(scene, measured, margin="30%", **judging):
    """A rollout of two waves whose gate compares latencies."""
    judging = {"tick": "15s", "warmup": "30s", "before": "10m", "behind": "1s", **judging}
    settings = {
        "kind": "metrics", "prometheus": measured.url, "queries": [], "time": 5.0,
        "compare": [Compared.model_validate({**LATENCY, "margin": margin}).settings()],
        "judge": Judge.model_validate(judging).settings(),
    }  # fmt: skip
    waves = [PlannedWave(name, tuple(WAVES[name]), BASELINE if name == "canary" else {}, SOAK, GATES) for name in WAVES]
    gates = {"health": {"kind": "health"}, "latency": settings}
    plain = brief(WAVES, release=scene.new, before=dict.fromkeys([*scene.hosts, "z1"], scene.old), gates=GATES)
    told = replace(plain, waves=tuple(waves), gates=gates, pace=Pace(interval=30.0, rounds=4), on_failure="wave")
    scene.number = scene.journal.start(told, "ann", "because")

    def look(context):
        measured.look()
        if context.settings["kind"] == "metrics":
            return judge(context)
        return Verdict(context.name, "pass", "it is well")

    scene.gates = look


def judged(scene, wave):
    events = [event for event in scene.journal.events(scene.number) if event.kind == "judged"]
    return [
        verdict
        for event in events
        if event.body["wave"] == wave
        for verdict in event.body["verdicts"]
        if verdict["gate"] == "latency"
    ]


def after_rounds(scene, driver, number, steps=600):
    """What the gate knew of the canaries after so many rounds."""
    for _ in range(steps):
        if len(verdicts := judged(scene, "canary")) >= number:
            return verdicts[-1]["evidence"]["judge"]
        driver.step() or scene.world.wait(1.0)
    raise AssertionError(f"only {len(verdicts)} rounds: {scene.kinds()[-5:]}")


def replay(store_url, *words):
    return CliRunner().invoke(app, ["judge", "--replay", *map(str, words), "--store", store_url])


def test_a_release_that_only_degrades_is_stopped_at_the_canaries(scene):
    with serving(Measured(scene, slower=1.8)) as measured:
        begun(scene, measured)
        driver = scene.engine()
        assert scene.run(driver, "stopped") == "rolled-back"
    assert all(host.plan == scene.old_plans[name] for name, host in scene.world.hosts.items()), "canaries are back"
    (stopped,) = [event for event in scene.journal.events(scene.number) if event.kind == "stopped"]
    assert "gate latency failed" in stopped.body["reason"]
    assert "latency: it got worse" in stopped.body["reason"]
    verdicts = judged(scene, "canary")
    assert verdicts[-1]["evidence"]["judge"]["tick"] < 20, "long before the soak is over"
    assert not judged(scene, "all")


def test_one_that_changes_nothing_goes_to_every_host_and_the_last_wave_has_a_baseline_too(scene):
    with serving(Measured(scene)) as measured:
        begun(scene, measured)
        assert scene.run(scene.engine()) == "completed"
    scene.everybody_has(scene.new)
    for wave in WAVES:
        (case,) = [one for one in kept(scene.journal.events(scene.number)) if one.wave == wave]
        assert (case.gate, case.evidence["judge"]["next"]) == ("latency", "promote")
    outcomes = [(verdict["outcome"], verdict.get("then", "")) for verdict in judged(scene, "canary")]
    assert outcomes[0] == ("inconclusive", "wait")
    assert ("pass", "") in outcomes
    last = kept(scene.journal.events(scene.number))
    baseline = next(one for one in last if one.wave == "all").evidence["recording"]["comparison"]["baseline"]
    assert {name for names in baseline.values() for name in names} <= set(WAVES["canary"])


def test_an_engine_that_was_killed_goes_on_with_the_same_evidence(scene):
    with serving(Measured(scene, slower=1.03)) as measured:
        begun(scene, measured, undecided="pause")
        before = after_rounds(scene, scene.engine("first"), 6)
        after = after_rounds(scene, scene.engine("first"), 8)
    assert after["settled"] == before["settled"]
    assert after["tick"] > before["tick"]
    assert after["metrics"][0]["evidence"] >= before["metrics"][0]["evidence"], "it never falls"


def test_what_nobody_knows_at_the_end_is_for_people_and_they_may_watch_on(scene):
    with serving(Measured(scene)) as measured:
        begun(scene, measured, margin="0.1%", undecided="pause")
        driver = scene.engine()
        assert scene.run(driver, "paused", "stopped") == "paused"
        (paused,) = [event for event in scene.journal.events(scene.number) if event.kind == "paused"]
        assert "gate latency needs people" in paused.why
        assert "nobody knows whether it is harmless" in paused.why
        for _ in range(200):
            driver.step() or scene.world.wait(1.0)
        assert scene.kinds().count("paused") == 1, "rounds go on, and nothing is stopped for it"
        scene.ask("resumed")
        driver.step()
        assert scene.run(driver, "paused", "stopped") == "paused"
        told = [one["evidence"]["judge"] for one in judged(scene, "canary")]
        assert (told[0]["until"], told[-1]["until"]) == (38, told[-1]["tick"]), "another soak, and no more"
        assert told[-1]["tick"] >= 2 * 38


def test_a_provider_that_is_down_never_passes_and_ends_after_its_rounds(scene):
    with serving(Measured(scene)) as measured:
        measured.down = True
        begun(scene, measured)
        scene.run(scene.engine(), "stopped")
    (stopped,) = [event for event in scene.journal.events(scene.number) if event.kind == "stopped"]
    assert "could not decide in 4 rounds" in stopped.body["reason"]
    assert "gave up" in stopped.body["reason"]


def test_the_journal_has_what_is_needed_to_judge_again(scene, url):
    with serving(Measured(scene, slower=1.8)) as measured:
        begun(scene, measured)
        scene.run(scene.engine(), "rolled-back", "stopped")
    found = replay(url, scene.number)
    assert found.exit_code == 0, found.output
    assert "The same as it was judged then." in found.output
    assert "latency: fail" in found.output
    refused = replay(url, scene.number, "--wave", "all")
    assert refused.exit_code == 1
    assert "canary by latency" in refused.stderr
    assert "no rollout" in replay(url, 99).stderr.lower()
    explained = CliRunner().invoke(app, ["rollout", "explain", str(scene.number), "--store", url, "--json"])
    assert "gate latency failed" in json.dumps(json.loads(explained.output))


# --- what a verdict asks for ------------------------------------------------------------------------------------------


def verdict(outcome, then=""):
    return Verdict("latency", outcome, f"it is {outcome}", {}, then)


@pytest.mark.parametrize(
    ("verdicts", "time_counts", "round_lost"),
    [
        ([verdict("pass")], True, False),
        ([verdict("pass"), verdict("inconclusive", "wait")], True, False),
        ([verdict("inconclusive")], False, True),
        ([verdict("inconclusive"), verdict("inconclusive", "wait")], False, True),
        ([verdict("inconclusive", "pause")], False, False),
        ([verdict("fail"), verdict("inconclusive", "wait")], False, False),
        ([], False, False),
    ],
)
def test_time_counts_while_a_gate_just_needs_more_of_it(verdicts, time_counts, round_lost):
    assert (counts(verdicts), lost(verdicts)) == (time_counts, round_lost)


def test_a_gate_that_watches_on_keeps_its_wave_from_being_promoted_however_long():
    play = Play(brief({"canary": ["a1"], "all": ["b1"]}, soak=60.0))

    def says(then):
        def look(action):
            at = play.state.waves[action.wave]
            told = verdict("inconclusive" if then else "pass", then).as_dict()
            body = {"wave": action.wave, "round": action.round, "elapsed": play.now - at.since if at.round else 0.0}
            play.add(Event("judged", {**body, "verdicts": [told]}))

        play._judge = look

    says("wait")
    for _ in range(600):
        play.step()
    wave = play.state.waves["canary"]
    assert (wave.status, wave.inconclusive) == ("judging", 0)
    assert wave.soaked >= 60.0
    says("")
    for _ in range(60):
        play.step()
    assert play.state.waves["canary"].status == "promoted"
