"""The name of a drift: the same for the same, whatever the order; another for another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.host.drift import fingerprint

LINES = st.lists(st.text(max_size=20), max_size=5)
DRIFT = st.dictionaries(st.sampled_from(["xdp", "tc", "bird"]), LINES)


@given(DRIFT, st.randoms())
def test_order_does_not_matter(drift, random):
    names = list(drift)
    random.shuffle(names)
    shuffled = {name: random.sample(drift[name], len(drift[name])) for name in names}
    assert fingerprint(shuffled) == fingerprint(drift)


@given(DRIFT, DRIFT)
def test_what_differs_has_another_name(one, other):
    told = [{name: sorted(lines) for name, lines in drift.items() if lines} for drift in (one, other)]
    assert (fingerprint(one) == fingerprint(other)) == (told[0] == told[1])


def test_no_drift_has_no_name():
    assert fingerprint({}) is None
    assert fingerprint({"tc": []}) is None
