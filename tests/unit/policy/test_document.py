"""Merging files: a law-abiding union."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.policy.document import Source, merge

LEAVES = st.integers() | st.text(max_size=3) | st.booleans() | st.none() | st.lists(st.integers(), max_size=2)
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3), max_leaves=8)
DOCUMENTS = st.dictionaries(st.sampled_from("abcd"), TREES, max_size=4)


def merged(*documents):
    return merge(Source(f"file{number}", document) for number, document in enumerate(documents))


@given(DOCUMENTS)
def test_one_file_is_its_own_merge(document):
    assert merged(document).data == document
    assert merged(document).problems == []


@given(DOCUMENTS, DOCUMENTS)
def test_without_conflict_the_order_does_not_matter(one, other):
    both, turned = merged(one, other), merged(other, one)
    assert bool(both.problems) == bool(turned.problems)
    if not both.problems:
        assert both.data == turned.data


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_without_conflict_the_grouping_does_not_matter(first, second, third):
    whole = merged(first, second, third)
    if not whole.problems:
        assert (
            whole.data
            == merged(merged(first, second).data, third).data
            == merged(first, merged(second, third).data).data
        )


@given(DOCUMENTS, DOCUMENTS)
def test_merging_never_reaches_back_into_a_file(one, other):
    before = repr((one, other))
    merged(one, other)
    assert repr((one, other)) == before


def test_a_conflict_names_both_files_and_the_first_one_stays():
    document = merged({"a": {"b": 1}}, {"a": {"b": 1}})
    assert document.data == {"a": {"b": 1}}
    assert [(p.where, p.file, "file0" in p.message) for p in document.problems] == [("traffic.a.b", "file1", True)]


def test_a_place_is_the_nearest_line_known_in_the_right_file():
    document = merge([Source("x", {"a": {"b": {"c": 1}}}, {("a",): 3}), Source("y", {"d": 1}, {})])
    assert document.place(("a", "b", "c")) == ("x", 3)
    assert document.place(("a", "nowhere")) == ("x", 3)
    assert document.place(("d",)) == ("y", None)
    assert document.place(("e",)) == (None, None)
