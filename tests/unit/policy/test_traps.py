"""Where YAML 1.1 and YAML 1.2 disagree about a bare word, the policy must say which it means."""

import pytest
import salt.utils.yamlloader
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tidegate.policy import traps

IN_DOUBT = [
    "on",
    "off",
    "yes",
    "no",
    "y",
    "n",
    "Y",
    "N",
    "On",
    "OFF",
    "Yes",
    "NO",
    "1:30",
    "64500:10",
    "-1:30",
    "1:30.5",
    "012",
    "00",
    "0123456",
    "089",
    "1_000",
    "0x_1f",
    "0b101",
    "1_0.5",
    "2026-01-01",
]
PLAIN = [
    "true",
    "false",
    "True",
    "null",
    "~",
    "10",
    "-3",
    "1.5",
    "0x1f",
    "0",
    "text",
    "64500:100",
    "2001:db8::1",
    "10.0.0.1",
    "192.0.2.0/24",
    "1024-65535",
    "10gbit",
    "60%",
    "yesterday",
    "none",
    "salt://x",
    "edge1.lhr1",
]


@pytest.mark.parametrize("word", [*IN_DOUBT, "2026-01-01 10:00:00"])
def test_a_bare_word_in_doubt_is_found_as_key_and_as_value(word):
    problems = traps.read(f"a: {word}\n{word}: a\n").problems
    found = [("key" if "this key" in problem.message else "value", problem.path) for problem in problems]
    assert sorted(found) == [("key", (word,)), ("value", ("a",))]


@pytest.mark.parametrize("word", ["on", "no", "1:30", "012", "y", "2026-01-01"])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_end_the_doubt(word, quote):
    reading = traps.read(f"a: {quote}{word}{quote}")
    assert reading.problems == []
    assert reading.data == {"a": word}


@pytest.mark.parametrize("word", PLAIN)
def test_plain_words_are_left_alone_and_read_as_salt_reads_them(word):
    reading = traps.read(f"a: {word}")
    assert reading.problems == []
    assert reading.data == yaml.safe_load(f"a: {word}")


def test_lines_are_known_for_keys_items_and_traps():
    reading = traps.read("a:\n  - x\n  - b: on\n    c: 1\n")
    assert reading.lines[("a",)] == 1
    assert reading.lines[("a", 0)] == 2
    assert reading.lines[("a", 1, "c")] == 4
    assert [(problem.path, problem.line) for problem in reading.problems] == [(("a", 1, "b"), 3)]


def test_what_the_author_meant_is_what_is_looked_at_further():
    assert traps.read("a: on\nno: 012\n").data == {"a": "on", "no": "012"}


def test_keys_that_stand_twice_are_named_and_what_both_hold_is_kept():
    reading = traps.read("a: {x: 1}\nb: [1]\na: {z: 2, x: 3}\nb: [2]\n")
    assert [(problem.path, problem.line) for problem in reading.problems] == [(("a",), 3), (("b",), 4), (("a", "x"), 3)]
    assert reading.data == {"a": {"x": 1, "z": 2}, "b": [1, 2]}


def test_anchors_and_merge_keys_work():
    reading = traps.read("a: &a {x: 1}\nb: {<<: *a, z: 2}\n")
    assert reading.problems == []
    assert reading.data == {"a": {"x": 1}, "b": {"x": 1, "z": 2}}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_text_is_no_data(text):
    assert traps.read(text).data is None


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12) | st.dates()
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
)


@given(DATA, st.sampled_from([None, "'", '"']), st.booleans())
def test_what_is_not_in_doubt_salt_would_read_alike(data, quotes, flow):
    text = yaml.safe_dump(data, default_style=quotes, default_flow_style=flow)
    reading = traps.read(text)
    explicit = "!!" in text  # a tag that somebody wrote out: no pillar has one by accident
    if not reading.problems and not explicit:
        assert reading.data == salt.utils.yamlloader.load(text)
