"""Laws of the pure parts, and of the dispatch: nothing but a clear answer passes, and nothing raises."""

import math
import re

import pytest
from asked import Answering, judged
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rollout.gates import KINDS
from tidegate.rollout.gates.prometheus import Instant, Sample
from tidegate.rollout.gates.query import pattern, render
from tidegate.rollout.gates.threshold import Limits
from tidegate.rollout.gates.threshold import judged as held

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text("abe1.-_+", min_size=1, max_size=6)
SETTINGS = st.dictionaries(
    st.sampled_from(["time", "workers", "parts", "prometheus", "queries", "from", "http", "status", "at_least"]),
    st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=5), max_size=2),
)


def answer(values, *warnings):
    return Instant(tuple(Sample({"n": str(n)}, 0.0, value) for n, value in enumerate(values)), warnings)


@given(st.lists(NUMBERS, min_size=1), NUMBERS)
def test_a_limit_holds_for_every_series(values, limit):
    assert (held("q", Limits(max=limit), answer(values), ()).outcome == "pass") == (max(values) <= limit)
    assert (held("q", Limits(min=limit), answer(values), ()).outcome == "pass") == (min(values) >= limit)


@given(st.lists(NUMBERS), st.sampled_from([math.nan, math.inf, -math.inf]), st.integers(0, 5), NUMBERS)
def test_what_is_no_number_never_passes(values, odd, place, limit):
    values.insert(place, odd)
    for limits in (Limits(max=limit), Limits(min=limit)):
        assert held("q", limits, answer(values), ()).outcome != "pass"


@given(st.lists(NUMBERS), NUMBERS)
def test_what_is_doubted_or_empty_decides_nothing(values, limit):
    assert held("q", Limits(max=limit), answer(values, "partial"), ()).outcome == "inconclusive"
    assert held("q", Limits(max=limit), answer([]), ()).outcome == "inconclusive"


@given(st.sets(NAMES, min_size=1), st.sets(NAMES))
def test_a_pattern_matches_its_hosts_and_no_other(hosts, others):
    found = re.compile(pattern(hosts))
    assert all(found.fullmatch(host) for host in hosts)
    assert not any(found.fullmatch(other) for other in others - hosts)
    assert "\\" not in found.pattern


def test_a_query_is_filled_in():
    text = render('sum(rate(x{i=~"{{ hosts }}"}[{{ window }}]))', ["b.c", "a"], 90.9)
    assert text == 'sum(rate(x{i=~"(?:a|b[.]c)"}[90s]))'


@pytest.mark.parametrize("host", ['a"}', "a\\", "a\nb", "ä", ""])
def test_an_id_cannot_break_out_of_its_quotes(host):
    with pytest.raises(Exception, match="no host's id"):
        pattern([host])


@given(st.sampled_from([k for k in sorted(KINDS) if k != "verify"]), SETTINGS)
def test_a_gate_with_nonsense_for_settings_neither_raises_nor_passes(kind, settings):
    assert judged(kind, fleet=Answering(), settings=settings, elapsed=60.0).outcome == "inconclusive"


@pytest.mark.parametrize("kind", ["approval", "luck", None])
def test_what_no_program_can_judge_is_inconclusive(kind):
    assert judged(kind).outcome == "inconclusive"


def test_a_gate_that_breaks_is_inconclusive_and_says_so(caplog):
    class Broken(Answering):
        def ask(self, *_):
            raise RuntimeError("boom")

    verdict = judged("health", fleet=Broken())
    assert (verdict.outcome, verdict.reason) == ("inconclusive", "the gate broke: RuntimeError: boom")
    assert "boom" in caplog.text
