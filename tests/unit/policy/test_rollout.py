"""What `tidegate check` says about the rest of a rollout: gates, budgets, pace, emergency, freezes, notifications."""

import re
import shutil
from pathlib import Path

import pytest
from example import changed, check, errors

from tidegate.judge.metric import Definition
from tidegate.policy.load import load
from tidegate.policy.model import Policy
from tidegate.policy.rollout import DEFAULT, allowed

PILLAR = Path(__file__).parents[3] / "pillar"
WAVES = [{"name": "canary", "one_per": "class"}, {"name": "all", "match": "all"}]
QUERY = {"name": "errors", "query": 'sum(rate(errors{host=~"{{ hosts }}"}[{{ window }}]))', "max": 0.01}
METRICS = {"prometheus": "http://prometheus.example.net:9090", "queries": [QUERY]}
LATENCY = {"name": "latency", "query": 'latency{host=~"{{ hosts }}"}', "kind": "latency", "margin": "10%"}
PROBE = {"from": ["client1"], "http": "http://192.0.2.10/"}
FREEZE = {"name": "holidays", "from": "2026-12-24T16:00Z", "until": "2026-12-27T08:00Z", "why": "few people"}


def rollout(**settings):
    return ("rollout", {"waves": WAVES, **settings})


def metrics(soak="1m", **settings):
    return rollout(gates=[{"metrics": {**METRICS, **settings}}], soak=soak)


def without_none(settings):
    return {key: value for key, value in settings.items() if value is not None}


def compared(soak="30m", judge=None, **settings):
    """One metric to compare; the soak suits it."""
    gate = {"prometheus": METRICS["prometheus"], "compare": [without_none({**LATENCY, **settings})], "judge": judge}
    return rollout(gates=[{"metrics": without_none(gate)}], soak=soak)


def judged(**settings):
    return compared(judge=settings)


def query(**settings):
    return metrics(queries=[{key: value for key, value in {**QUERY, **settings}.items() if value is not None}])


def probe(**settings):
    merged = {key: value for key, value in {**PROBE, **settings}.items() if value is not None}
    return rollout(gates=[{"probe": merged}])


def emergency(**settings):
    return rollout(emergency=settings)


def canary(**settings):
    return ("rollout", {"waves": [{**WAVES[0], **settings}, WAVES[1]]})


GOOD = [
    rollout(),
    rollout(soak="0s", interval="1s"),
    rollout(gates=["approval", "verify", "health"]),
    rollout(gates=[{"verify": {"parts": "bird", "time": "1m"}}, {"verify": {"name": "all", "workers": 8}}]),
    metrics(),
    query(max=None, min=0),
    compared(),
    compared(kind="counter", exposure='requests{host=~"{{ hosts }}"}', quiet=True, margin=0.5, tolerance=0.1),
    compared(kind="bounded", min=0, max=1, worse="lower", margin=0.01, unit="of 1"),
    judged(tick="30s", warmup="0s", before="1h", false_abort="0.5%", undecided="pause", extension="1h", label="job"),
    metrics(compare=[LATENCY], soak="30m"),
    rollout(gates=["health", "errors"], emergency={"gates": [{"metrics": {**METRICS, "name": "errors"}}]}),
    probe(),
    probe(http=None, tcp="[2001:db8::1]:443"),
    probe(http=None, dns="192.0.2.53", question="www.example.net", type="AAAA", answer="2001:db8::1"),
    probe(status=204, body="ok", address="192.0.2.10", **{"from": ["a", "b"]}, at_least=1),
    canary(gates=["health", "approval"], soak="10m"),
    rollout(budget={"failed_hosts": "5%", "unknown_hosts": 3, "withdrawals": {"most": 0}}),
    rollout(on_failure="pause"),
    rollout(pace={"slice": 10, "in_flight": 10, "silence": "10s", "timeout": "30s"}),
    emergency(),
    emergency(waves=[WAVES[0], {"name": "half", "percent": 75}, WAVES[1]], soak="10s", gates=["health"]),
    rollout(freeze=[FREEZE, {**FREEZE, "name": "again"}]),
    rollout(notify=[{"webhook": "https://hooks.example.net/tidegate", "events": "stopped", "secret": "hooks"}]),
    rollout(notify=[{"webhook": "http://127.0.0.1:8000/"}]),
]


@pytest.mark.parametrize("change", GOOD)
def test_these_are_good(change):
    assert errors(change) == {}


HERE = "traffic.rollout"
GATE = f"{HERE}.gates[0]"
COMPARE = f"{GATE}.metrics.compare[0]"
MISTAKES = [
    # (change, path reported, words that the report must hold)
    (rollout(soak=60), f"{HERE}.soak", "Give the unit"),
    (rollout(soak="8d"), f"{HERE}.soak", "0s to 7d"),
    (rollout(interval="0s"), f"{HERE}.interval", "1s to 10m"),
    (rollout(soaks="5m"), f"{HERE}.soaks", "'soak'"),
    (rollout(inconclusive_rounds=0), f"{HERE}.inconclusive_rounds", "from 1"),
    (rollout(on_failure="roll-back-wave"), f"{HERE}.on_failure", "Did you mean 'roll_back_wave'?"),
    # Gates
    (rollout(gates=[]), f"{HERE}.gates", "no gate [health]"),
    (rollout(gates=["helth"]), GATE, "no such gate 'health'"),
    (rollout(gates=["metrics"]), GATE, "needs settings"),
    (rollout(gates=["health", "health"]), f"{HERE}.gates[1]", "twice"),
    (rollout(gates=["bad name"]), GATE, "letters"),
    (rollout(gates=[{}]), GATE, "one gate"),
    (rollout(gates=[{"metrics": METRICS, "probe": PROBE}]), GATE, "one gate"),
    (rollout(gates=[{"health": {}}]), f"{GATE}.health", "unknown key verify, metrics, probe"),
    (rollout(gates=[{"verfy": {}}]), f"{GATE}.verfy", "Did you mean 'verify'?"),
    (rollout(gates=[{"probe": {**PROBE, "name": "approval"}}]), f"{GATE}.probe.name", "another kind"),
    (
        rollout(gates=[{"probe": PROBE}, {"probe": PROBE}]),
        f"{HERE}.gates[1].probe.name",
        "another gate has this name 'name'",
    ),
    (canary(gates=[]), f"{HERE}.waves[0].gates", "no gate"),
    (canary(gates=["outside"]), f"{HERE}.waves[0].gates[0]", "no such gate"),
    (rollout(gates=[{"verify": {"parts": "dns"}}]), f"{GATE}.verify.parts", "'bird'"),
    (rollout(gates=[{"verify": {"time": "1s"}}]), f"{GATE}.verify.time", "5s to 2h"),
    (metrics(prometheus="ftp://prometheus/"), f"{GATE}.metrics.prometheus", "http:// or https://"),
    (metrics(prometheus="http://ada:secret@prometheus/"), f"{GATE}.metrics.prometheus", "no place for secrets"),
    (metrics(queries=[]), f"{GATE}.metrics", "at least one of queries and compare"),
    (metrics(judge={}), f"{GATE}.metrics", "judge beside compare alone"),
    (metrics(compare=[{**LATENCY, "name": "errors"}], soak="30m"), f"{GATE}.metrics", "names of their own 'errors'"),
    (compared(query="up"), f"{COMPARE}.query", "asks for {{ hosts }}"),
    (compared(query="up{{ host }}"), f"{COMPARE}.query", "It asks for host."),
    (compared(kind="histogram"), f"{COMPARE}.kind", "latency"),
    (compared(margin=None), f"{COMPARE}.margin", "missing"),
    (compared(margin=0), COMPARE, "margin above 0"),
    (compared(margin="a lot"), f"{COMPARE}.margin", "such as '10%'"),
    (compared(margin=0.1), COMPARE, "as a share"),
    (compared(margin="100%", worse="lower"), COMPARE, "below 100%"),
    (compared(kind="gauge", tolerance=0.1), COMPARE, "written as the margin"),
    (compared(tolerance="10%"), COMPARE, "less than the margin"),
    (compared(kind="bounded"), COMPARE, "min and max of a bounded metric"),
    (compared(kind="bounded", min=1, max=1), COMPARE, "the first below the second"),
    (compared(min=0), COMPARE, "This one is a latency."),
    (compared(quiet=True), COMPARE, "This one is a latency."),
    (compared(exposure="requests{{ hosts }}"), COMPARE, "exposure and quiet of a counter alone"),
    (judged(false_abort=0.02), f"{GATE}.metrics.judge.false_abort", "such as '2%'"),
    (judged(false_abort="50%"), f"{GATE}.metrics.judge.false_abort", "from 0.1% to 20%"),
    (judged(undecided="promote"), f"{GATE}.metrics.judge.undecided", "extend"),
    (judged(tick="0s"), f"{GATE}.metrics.judge.tick", "from 1s to 15m"),
    (judged(label="a-b"), f"{GATE}.metrics.judge.label", "name of a label"),
    (compared(soak="6m"), f"{HERE}.soak", "at least 420s"),
    (judged(tick="5m"), f"{HERE}.emergency.soak", "at least 1620s"),
    (metrics(queries=[QUERY, QUERY]), f"{GATE}.metrics", "names of their own 'errors'"),
    (query(max=None), f"{GATE}.metrics.queries[0]", "max, min or both"),
    (query(min=1), f"{GATE}.metrics.queries[0]", "min up to max"),
    (query(max=float("nan")), f"{GATE}.metrics.queries[0].max", "finite"),
    (query(max="1"), f"{GATE}.metrics.queries[0].max", "number"),
    (query(query="up{{ host }}"), f"{GATE}.metrics.queries[0].query", "It asks for host."),
    (query(query="up{{ hosts"), f"{GATE}.metrics.queries[0].query", "good template"),
    (query(query=" "), f"{GATE}.metrics.queries[0].query", "PromQL"),
    (probe(tcp="192.0.2.10:443"), f"{GATE}.probe", "one of http, tcp and dns http and tcp"),
    (probe(http=None), f"{GATE}.probe", "one of http, tcp and dns"),
    (probe(http=None, tcp="192.0.2.10"), f"{GATE}.probe.tcp", "with a port"),
    (probe(http=None, tcp="192.0.2.10:99999"), f"{GATE}.probe.tcp", "with a port"),
    (probe(http=None, dns="192.0.2.53"), f"{GATE}.probe", "a question beside dns"),
    (probe(question="www.example.net"), f"{GATE}.probe", "'question' beside dns by http"),
    (probe(http=None, tcp="192.0.2.10:443", status=200), f"{GATE}.probe", "'status' beside http by tcp"),
    (probe(at_least=2), f"{GATE}.probe", "up to the 1 hosts"),
    (probe(**{"from": []}), f"{GATE}.probe.from", "at least one"),
    (probe(**{"from": ["a", "a"]}), f"{GATE}.probe", "once"),
    # Budgets and pace
    (rollout(budget={"failed_hosts": -1}), f"{HERE}.budget.failed_hosts", "from 0"),
    (rollout(budget={"failed_hosts": "101%"}), f"{HERE}.budget.failed_hosts", "percentage"),
    (rollout(budget={"unknown_hosts": True}), f"{HERE}.budget.unknown_hosts", "number of hosts"),
    (rollout(budget={"withdrawals": {"within": "1h"}}), f"{HERE}.budget.withdrawals.most", "missing"),
    (rollout(pace={"slice": 10, "in_flight": 5}), f"{HERE}.pace", "in_flight"),
    (rollout(pace={"silence": "4m"}), f"{HERE}.pace", "silence shorter than timeout"),
    # An emergency is never without waves and soak
    (emergency(soak="0s"), f"{HERE}.emergency.soak", "1s to 7d"),
    (emergency(soak="5m"), f"{HERE}.emergency.soak", "longer at most 1m"),
    (emergency(waves=[WAVES[1]]), f"{HERE}.emergency.waves", "single wave"),
    (emergency(waves=[]), f"{HERE}.emergency.waves", "no waves"),
    (emergency(waves=[{"name": "most", "percent": 100}, WAVES[1]]), f"{HERE}.emergency.waves[0]", "has every host"),
    (emergency(waves=[{**WAVES[0], "soak": "0s"}, WAVES[1]]), f"{HERE}.emergency.waves[0].soak", "not soak at all"),
    (
        emergency(waves=[{"name": "a", "count": 1, "match": {"pop": "lhr9"}}, WAVES[1]]),
        f"{HERE}.emergency.waves[0].match.pop",
        "no such PoP",
    ),
    (emergency(waves=[WAVES[0], WAVES[0], WAVES[1]]), f"{HERE}.emergency.waves[1].name", "this name too"),
    (emergency(gates=["none"]), f"{HERE}.emergency.gates[0]", "no such gate"),
    # Freezes and notifications
    (rollout(freeze=[FREEZE, FREEZE]), f"{HERE}.freeze[1].name", "another freeze"),
    (rollout(freeze=[{**FREEZE, "until": "2026-12-24"}]), f"{HERE}.freeze[0]", "in 'until' a date and time"),
    (rollout(notify=[{"webhook": "http://hooks.example.net/"}]), f"{HERE}.notify[0].webhook", "https:// this machine"),
    (rollout(notify=[{"webhook": "https://h/", "events": ["stoped"]}]), f"{HERE}.notify[0].events[0]", "'stopped'"),
]


@pytest.mark.parametrize(("change", "where", "words"), MISTAKES)
def test_a_mistake_is_named(change, where, words):
    found = errors(change)
    assert where in found, found
    for word in words.split():
        assert word in found[where], found[where]


def test_the_mistakes_of_a_rollout_are_told_in_one_run():
    found = errors(
        (
            "rollout",
            {
                "waves": [{"name": "b", "percent": 50}, {"name": "b", "match": "all"}],
                "soak": "soon",
                "gates": [{"probe": {}}, "health"],
                "freeze": [{**FREEZE, "zone": "UTC"}],
                "pace": {"slices": 3},
            },
        )
    )
    assert set(found) == {
        f"{HERE}.{path}" for path in ("waves[1].name", "soak", "gates[0].probe.from", "freeze[0]", "pace.slices")
    }, found


def test_a_gate_that_does_not_fit_is_still_a_gate_for_others():
    found = errors(
        rollout(gates=[{"probe": {**PROBE, "name": "outside", "http": 1}}], emergency={"gates": ["outside"]})
    )
    assert set(found) == {f"{GATE}.probe.http"}


def test_yaml_traps_do_not_hide_in_a_rollout(tmp_path):
    (tmp_path / "traffic").mkdir()
    (tmp_path / "traffic" / "rollout.sls").write_text(
        "traffic:\n  rollout:\n    soak: 1:30\n    freeze: [{name: a, from: 2026-12-24, until: 18:00, why: 'no'}]\n"
        "    notify: [{webhook: 'https://h/', on: [stopped]}]\n"
    )
    found = {problem.where: problem.message for problem in load(tmp_path).problems}
    assert "base sixty" in found[f"{HERE}.soak"]
    assert "a date" in found[f"{HERE}.freeze[0].from"]
    assert "base sixty" in found[f"{HERE}.freeze[0].until"]
    assert "reads this key as true" in found[f"{HERE}.notify[0].on"]


def gates_of(change):
    return Policy.model_validate(changed(change)).rollout.gates


def test_gates_leave_as_plain_data_in_seconds():
    bare = gates_of(rollout(gates=["health", "verify", "approval"]))
    assert [(gate.name, gate.settings) for gate in bare] == [
        ("health", {"kind": "health"}),
        ("verify", {"kind": "verify", "time": 300.0, "parts": None, "workers": 4}),
        ("approval", {"kind": "approval"}),
    ]
    (one,) = gates_of(metrics(time="1m"))
    assert one.settings == {
        "kind": "metrics",
        "prometheus": "http://prometheus.example.net:9090",
        "time": 60.0,
        "queries": [{**QUERY, "min": None}],
    }
    (one,) = gates_of(judged(undecided="fail"))
    assert one.settings["queries"] == []
    assert one.settings["judge"] == {
        "tick": 60.0, "warmup": 120.0, "before": None, "behind": 10.0, "label": "host", "false_abort": 0.02,
        "undecided": "fail", "extension": None,
    }  # fmt: skip
    (compare,) = one.settings["compare"]
    assert compare["query"] == LATENCY["query"]
    assert Definition(**compare["definition"]) == Definition("latency", "gauge", "higher", 0.1, log=True)
    (one,) = gates_of(probe(status=204))
    assert one.settings == {
        "kind": "probe",
        "from": ["client1"],
        "http": "http://192.0.2.10/",
        "status": 204,
        "at_least": 1,
        "time": 5.0,
    }
    (one,) = gates_of(probe(http=None, dns="192.0.2.53", question="www.example.net"))
    assert one.settings["question"] == "www.example.net"


@pytest.mark.parametrize(
    ("allowance", "of", "hosts"), [(0, 100, 0), (3, 1, 3), ("5%", 19, 0), ("5%", 20, 1), ("100%", 7, 7), ("0%", 50, 0)]
)
def test_what_an_allowance_is(allowance, of, hosts):
    assert allowed(allowance, of) == hosts


def test_an_emergency_always_soaks_and_never_longer():
    for soak, expected in (("0s", 1), ("2s", 1), ("1m", 15), ("1h", 900)):
        assert Policy.model_validate(changed(rollout(soak=soak))).rollout.emergency_soak == expected
    assert DEFAULT.emergency_soak == 15


def test_health_alone_judges_where_no_gate_is_named():
    assert [gate.name for gate in check(rollout()).policy.rollout.gates] == ["health"]


def test_the_gate_that_the_example_offers_in_its_comments_is_a_good_one(tmp_path):
    shutil.copytree(PILLAR, tmp_path / "pillar")
    file = tmp_path / "pillar" / "traffic" / "rollout.sls"
    before, offered, after = re.split(r"    # {% (?:end)?raw %}\n", file.read_text())
    before = re.sub(r"^    (soak|interval|gates): .*\n", "", before, flags=re.MULTILINE)
    after = re.sub(r"^    emergency:\n      soak: 2s\n", "", after, flags=re.MULTILINE)
    used = re.sub(r"^    # ", "    ", offered, flags=re.MULTILINE)
    file.write_text(f"{before}{{% raw %}}\n{used}{{% endraw %}}\n{after}")
    loaded = load(tmp_path / "pillar")
    assert loaded.problems == []
    _, gate = [one.settings for one in loaded.policy.rollout.gates]
    names = [metric["definition"]["name"] for metric in gate["compare"]]
    assert names == ["errors", "response_time", "sessions"]
