"""Many looks in one list: each finds its own conditions there, in its own order."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.tc.entries import merged

LOOKS = st.lists(st.lists(st.integers(0, 6), unique=True, max_size=6), max_size=8)


@given(LOOKS)
def test_each_look_finds_its_conditions_in_its_order(looks):
    found, places = merged(looks)

    assert [[found[place] for place in at] for at in places] == looks
    assert all(at == sorted(set(at)) for at in places)


@given(st.lists(st.integers(0, 6), unique=True, max_size=6), st.integers(1, 50))
def test_the_same_asked_often_is_there_once(look, times):
    assert merged([look] * times)[0] == look
