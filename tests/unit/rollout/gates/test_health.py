"""The health gate: only a host that answers, runs what it was given and is well passes."""

import json

import pytest
from asked import GOOD, OTHER, PLAN, Answering, judged
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rollout.patience import patience

HOSTS = ("edge1.lhr1", "edge2.lhr1", "edge1.ams1")
EXPECTED = dict.fromkeys(HOSTS, PLAN)
BAD_CHECK = {"name": "bird.session.transit", "status": "bad", "reason": "Active, was Established", "figure": 0}
UNKNOWN_CHECK = {"name": "tc.eth0", "status": "unknown", "reason": "tc says nothing", "figure": None}


def health(answers, hosts=HOSTS, **more):
    fleet = answers if isinstance(answers, Answering) else Answering(answers)
    return judged("health", hosts, fleet, **{"expected": EXPECTED, **more})


def of_one(**changed):
    return health({"edge1.lhr1": {**GOOD, **changed}}, HOSTS[:1])


def test_hosts_that_are_as_given_pass():
    verdict = health(dict.fromkeys(HOSTS, GOOD))
    assert (verdict.outcome, verdict.evidence["hosts"], verdict.evidence["pass"]) == ("pass", 3, 3)
    assert verdict.evidence["worst"] == []


@pytest.mark.parametrize(
    ("changed", "outcome", "said"),
    [
        ({"plan": OTHER}, "fail", f"runs plan {OTHER[:12]}…, was given {PLAN[:12]}"),
        ({"plan": None}, "fail", "runs no plan"),
        ({"confirmed": OTHER}, "fail", "has confirmed plan bbb"),
        ({"pending": {"generation": "x", "undone_in": 20}}, "fail", "nobody has confirmed"),
        (
            {"health": {"status": "bad", "checks": [BAD_CHECK, BAD_CHECK]}},
            "fail",
            "Established (and 1 more checks)",
        ),
        ({"drift": {"bird": ["- a line"], "tc": []}}, "fail", "changed by hand: bird: - a line; tc: something"),
        ({"drift": {"bird": ["- a line"]}, "left_alone": True}, "pass", "good health"),
        ({"health": {"status": "unknown", "checks": [UNKNOWN_CHECK]}}, "inconclusive", "tc says nothing"),
        ({"health": {"status": "unknown", "checks": [], "reason": "nothing runs"}}, "inconclusive", "nothing runs"),
        ({"health": {"status": "splendid", "checks": []}}, "inconclusive", "splendid"),
        ({"health": None}, "inconclusive", "no report"),
        ({"drift": None}, "inconclusive", "no report"),
    ],
)
def test_what_a_report_means(changed, outcome, said):
    verdict = of_one(**changed)
    assert verdict.outcome == outcome
    assert said in verdict.reason


def test_a_silent_host_is_unknown_and_named():
    verdict = health({HOSTS[0]: GOOD, HOSTS[2]: GOOD})
    assert verdict.outcome == "inconclusive"
    assert verdict.reason == "edge2.lhr1: did not answer in time"
    assert verdict.evidence["inconclusive"] == 1


def test_a_failure_counts_more_than_silence():
    verdict = health({HOSTS[0]: GOOD, HOSTS[2]: {**GOOD, "plan": OTHER}})
    assert (verdict.outcome, verdict.evidence["inconclusive"]) == ("fail", 1)
    assert verdict.reason.startswith("edge1.ams1: ")


def test_promoted_hosts_are_judged_too():
    fleet = Answering({HOSTS[0]: GOOD, HOSTS[1]: {**GOOD, "plan": OTHER}})
    assert health(fleet, HOSTS[:1], promoted=HOSTS[1:2]).outcome == "fail"
    assert fleet.questions == [("traffic.report", HOSTS[:2], {}, patience(2))]


def test_who_has_just_reported_is_not_asked_again():
    fleet = Answering({HOSTS[1]: GOOD})
    assert health(fleet, HOSTS[:2], known={HOSTS[0]: GOOD}).outcome == "pass"
    assert [hosts for _, hosts, *_ in fleet.questions] == [HOSTS[1:2]]


def test_an_answer_for_another_host_does_not_count():
    assert health({"edge9.lhr1": GOOD}, HOSTS[:1]).outcome == "inconclusive"


def test_a_host_of_which_nothing_is_expected_does_not_pass():
    assert health({HOSTS[0]: GOOD}, HOSTS[:1], expected={}).outcome == "inconclusive"


def test_no_hosts_are_no_success():
    assert health({}, ()).outcome == "inconclusive"


def test_salt_in_trouble_is_inconclusive():
    verdict = health(Answering(broken="the job could not be published"))
    assert (verdict.outcome, verdict.reason) == ("inconclusive", "the job could not be published")


def test_evidence_names_the_worst_and_counts_the_rest():
    hosts = [f"edge{number}" for number in range(5000)]
    answers = {host: {**GOOD, "plan": OTHER} for host in hosts[:4000]}
    verdict = health(answers, hosts, expected=dict.fromkeys(hosts, PLAN))
    assert (verdict.evidence["fail"], verdict.evidence["inconclusive"]) == (4000, 1000)
    assert len(verdict.evidence["worst"]) == 20
    assert verdict.evidence["left_out"] == 4980
    assert "(and 3999 more of 5000 hosts)" in verdict.reason
    assert len(json.dumps(verdict.as_dict())) < 5000


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "status"]), inner, max_size=8),
    max_leaves=12,
)


@given(JUNK)
def test_nothing_else_passes_whatever_a_host_answers(answer):
    assert health({HOSTS[0]: answer}, HOSTS[:1]).outcome != "pass"


@given(st.sampled_from(["plan", "confirmed", "health"]), JUNK)
def test_no_part_of_a_report_can_be_exchanged(part, junk):
    assert of_one(**{part: junk}).outcome != "pass"
