"""A patch says the same as tables made anew: for every policy and every change, whatever stands inside whatever."""

from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.bpf import patch as module
from tidegate.bpf.patch import Patch, differing, patch
from tidegate.bpf.prefixes import prefix_words, tables_used


@st.composite
def prefixes(draw):
    """From a small space, so that many stand inside each other."""
    version, bits = draw(st.sampled_from([(4, 32), (6, 128)]))
    length = draw(st.sampled_from([0, 8, bits - 6, bits - 4, bits - 2, bits - 1, bits]))
    base = 10 << 24 if version == 4 else 0x20010DB8 << 96
    return str(ip_network((base | draw(st.integers(0, 63)), length), strict=False))


lists = st.lists(prefixes(), max_size=12, unique=True).map(sorted)
conditions = st.lists(st.none() | lists, min_size=1, max_size=4)


def any_word(entries):
    return sum(1 << number for number, each in enumerate(entries) if each is None)


def made(entries):
    return {name: table for name, table in prefix_words("source", entries, any_word(entries)).items() if table}


def applied(tables, change):
    """The tables after a patch, as the kernel would have them."""
    found = {name: dict(table) for name, table in tables.items()}
    for name, keys in change.removed.items():
        for key in keys:
            found.get(name, {}).pop(key, None)
    for name, words in change.written.items():
        found.setdefault(name, {}).update(words)
    return {name: table for name, table in found.items() if table}


@settings(max_examples=400)
@given(conditions, lists, st.data())
def test_patched_tables_are_the_tables_made_anew(before, will, data):
    number = data.draw(st.integers(0, len(before) - 1))
    before = [*before[:number], before[number] or [], *before[number + 1 :]]
    after = [*before[:number], will, *before[number + 1 :]]

    change = patch(before, after, "source", any_word(after))

    assert change is not None
    assert applied(made(before), change) == made(after)


@given(conditions)
def test_the_tables_in_use_are_told_from_the_texts(entries):
    assert tables_used("source", entries) == set(made(entries))


@given(st.lists(st.integers(0, 3000), unique=True), st.lists(st.integers(0, 3000), unique=True))
def test_what_differs_includes_all_that_is_in_one_list_alone(before, after):
    was, will = [str(each) for each in before], [str(each) for each in after]

    assert differing(was, will) >= set(was) ^ set(will)


def test_few_changes_among_many_are_all_that_is_named():
    many = [f"10.{n >> 8}.{n & 255}.0/24" for n in range(20_000)]
    gone, come = many[700:705] + many[19_990:], ["10.3.7.0/25", "192.0.2.0/24"]
    after = sorted({*many, *come} - set(gone), key=ip_network)

    assert differing(many, after) == {*gone, *come}


MANY = [f"10.{n >> 8}.{n & 255}.0/24" for n in range(module.FEW + 1)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([["10.0.0.0/8"], None], [["10.0.0.0/8"], ["10.1.0.0/16"]]),
        ([["10.0.0.0/8"], ["10.1.0.0/16"]], [["10.2.0.0/16"], ["10.3.0.0/16"]]),
        ([["10.0.0.0/8"], MANY], [["10.1.0.0/16"], MANY]),
        ([MANY * 2], [[f"{each[:-3]}/25" for each in MANY]]),
    ],
    ids=["another kind of entry", "two entries", "many beside it", "too much"],
)
def test_where_it_would_not_be_exact_or_worth_it_the_tables_are_made_anew(before, after):
    assert patch(before, after, "source", any_word(after)) is None


def test_where_nothing_changed_nothing_is_written():
    assert patch([MANY, None], [MANY, None], "source", 2) == Patch()
