"""The probe gate: enough probe hosts must succeed, and a probe host that is down is no failed service."""

import pytest
from asked import Answering, judged

FROM = ["probe1", "probe2", "probe3"]
OK = {"ok": True, "reason": "200 in 0.02 s", "seconds": 0.02, "status": 200}
BAD = {"ok": False, "reason": "connection refused", "seconds": 0.01, "status": None}


def probe(answers, fleet=None, **settings):
    chosen = {"from": FROM, "http": "http://192.0.2.1/", "time": 2, **settings}
    return judged("probe", fleet=fleet or Answering(answers), settings=chosen)


@pytest.mark.parametrize(
    ("answers", "at_least", "outcome"),
    [
        ([OK, OK, OK], None, "pass"),
        ([OK, OK, BAD], None, "fail"),
        ([OK, OK, BAD], 2, "pass"),
        ([OK, OK, None], 2, "pass"),
        ([OK, BAD, None], 2, "inconclusive"),
        ([BAD, BAD, None], 2, "fail"),
        ([None, None, None], 1, "inconclusive"),
        ([BAD, BAD, BAD], 1, "fail"),
        ([OK, OK, "no such function"], None, "inconclusive"),
        ([OK, OK, {"ok": "yes"}], None, "inconclusive"),
        ([OK, OK, OK], 4, "inconclusive"),
    ],
)
def test_how_many_must_succeed(answers, at_least, outcome):
    given = {host: answer for host, answer in zip(FROM, answers, strict=True) if answer is not None}
    verdict = probe(given, at_least=at_least)
    assert verdict.outcome == outcome, verdict.reason
    assert verdict.evidence["pass"] == answers.count(OK)


def test_the_reason_names_target_and_probe_host():
    verdict = probe({"probe1": OK, "probe2": BAD, "probe3": OK})
    assert verdict.reason == "http http://192.0.2.1/: 2 of 3 probe hosts succeed, 3 must; probe2: connection refused"


POLICY = [
    ({"http": "http://192.0.2.1/", "status": 204, "body": "up"}, {"kind": "http", "target": "http://192.0.2.1/"}),
    ({"tcp": "192.0.2.1:443"}, {"kind": "tcp", "target": "192.0.2.1:443"}),
    ({"dns": "192.0.2.53", "question": "www.example", "answer": "192.0.2.1"}, {"kind": "dns", "target": "192.0.2.53"}),
]


@pytest.mark.parametrize(("written", "asked"), POLICY)
def test_what_a_policy_says_reaches_the_probe_hosts_in_words_they_know(written, asked, monkeypatch):
    from tidegate.minion import probe as on_the_host
    from tidegate.policy.gates import Gate

    settings = Gate.model_validate({"probe": {"from": FROM, **written, "time": "2s"}}).settings
    fleet = Answering(dict.fromkeys(FROM, OK))
    assert judged("probe", fleet=fleet, settings=settings).outcome == "pass"
    [(function, hosts, arguments, seconds)] = fleet.questions
    assert (function, hosts) == ("traffic.probe", tuple(FROM))
    expected = {key: value for key, value in written.items() if key not in ("http", "tcp", "dns")}
    assert arguments == {**asked, **expected, "timeout": 2.0}
    assert seconds > arguments["timeout"]
    monkeypatch.setattr(on_the_host, "_bounded", lambda look, seconds: {"ok": True, "reason": "not looked"})
    assert on_the_host.probe(**arguments)["ok"]


@pytest.mark.parametrize("settings", [{"http": None}, {"tcp": "192.0.2.1:80"}, {"from": []}, {"from": None}])
def test_settings_that_ask_for_nothing_or_two_things_do_not_pass(settings):
    assert probe(dict.fromkeys(FROM, OK), **settings).outcome == "inconclusive"
