"""Sets of prefixes and AS numbers: bgpq4's output and lists, whole or refused."""

import json

import pytest
from example import check, errors
from pydantic_core import PydanticCustomError

from tidegate.policy import route_sets
from tidegate.policy.route_sets import parse, pattern

BGPQ4_JSON = json.dumps(
    {
        "NN": [
            {"prefix": "192.0.2.0/24", "exact": True},
            {"prefix": "198.51.100.0/22", "exact": False, "less-equal": 24},
            {"prefix": "203.0.112.0/22", "exact": False, "greater-equal": 23, "less-equal": 24},
        ]
    }
)
BGPQ4_BIRD = """NN = [
    192.0.2.0/24,
    198.51.100.0/22{22,24}, 203.0.112.0/22{23,24}
];
"""
LINES = """# what the customer told us
192.0.2.0/24
198.51.100.0/22{22,24}   # with more specifics
203.0.112.0/22{23,24}
"""
PREFIXES = {"prefixes": ["192.0.2.0/24", "198.51.100.0/22{22,24}", "203.0.112.0/22{23,24}"]}
N = "routing/neighbors/lhr1-v4"


@pytest.mark.parametrize("text", [BGPQ4_JSON, BGPQ4_BIRD, LINES])
def test_one_set_in_three_spellings(text):
    assert parse(text) == PREFIXES


@pytest.mark.parametrize("text", ['{"NN": [64500, 64501]}', "NN = [\n 64500, 64501\n];\n", "AS64501\n64500\n64500\n"])
def test_as_numbers_in_three_spellings(text):
    assert parse(text) == {"asns": [64500, 64501]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BGPQ4_JSON[:-20], "broken or cut off"),
        (BGPQ4_BIRD[:-3], "cut off"),
        (LINES[:-4], "cut off"),
        (BGPQ4_BIRD + "protocol static evil {}", "behind the list"),
        ("192.0.2.0/24\nINVALID\n", "line 2: 'INVALID'"),
        ("192.0.2.1/24\n", "line 1"),
        ("192.0.2.0/24{8,24}\n", "line 1"),
        ("64500\n192.0.2.0/24\n", "mixes"),
        ('{"a": [], "b": []}', "one list"),
        ('{"a": [{"prefix": 7}]}', "entry 1"),
        ("99999999999\n", "line 1"),
    ],
)
def test_what_is_not_whole_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        parse(text)


def test_nothing_is_an_empty_set():
    assert parse("") == parse('{"NN": []}') == parse("NN = [\n];\n") == {"prefixes": []}


@pytest.mark.parametrize(
    ("written", "meant"),
    [("192.0.2.0/24+", "192.0.2.0/24{24,32}"), ("2001:db8::/32{32,48}", "2001:db8::/32{32,48}"), ("::/0", "::/0")],
)
def test_patterns_are_canonical(written, meant):
    assert pattern(written) == meant


@pytest.mark.parametrize("text", ["192.0.2.0/24-", "192.0.2.0/24{24,33}", "x", "192.0.2.0/24{28,24}", "192.0.2.0/24 ]"])
def test_other_text_is_no_pattern(text):
    with pytest.raises(PydanticCustomError):
        pattern(text)


def document(**entry):
    return {"routing": {"sets": {"isp": entry}}}


def test_a_file_is_read_into_the_document(tmp_path):
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "isp.json").write_text(BGPQ4_JSON)
    data = document(file="sets/isp.json")
    assert route_sets.load(data, tmp_path) == []
    assert data["routing"]["sets"]["isp"] == {"file": "sets/isp.json", **PREFIXES}


@pytest.mark.parametrize("name", ["missing.json", "../outside", "/etc/passwd", "a/../../b"])
def test_a_file_that_is_not_there_or_not_ours_is_named(tmp_path, name):
    (problem,) = route_sets.load(document(file=name), tmp_path)
    assert problem.where == "traffic.routing.sets.isp.file"


def test_a_set_with_a_file_has_no_entries_of_its_own(tmp_path):
    (problem,) = route_sets.load(document(file="x", prefixes=["192.0.2.0/24"]), tmp_path)
    assert "of its own" in problem.message


def test_an_empty_set_is_an_error_unless_allowed():
    assert "allow_empty" in errors(("routing/sets", {"isp": {"prefixes": []}}))["traffic.routing.sets.isp"]
    assert check(("routing/sets", {"isp": {"prefixes": [], "allow_empty": True}})).policy


def test_sets_that_imports_name_exist_and_are_of_the_right_kind():
    sets = {"isp": {"prefixes": ["192.0.2.0/24"]}, "asns": {"asns": [64500]}}
    found = errors(
        ("routing/sets", sets), (f"{N}/import", {"prefixes": ["asns"], "origins": "isp", "refuse": ["ips", "asns"]})
    )
    assert "holds no prefixes" in found["traffic.routing.neighbors.lhr1-v4.import.prefixes"]
    assert "holds no AS numbers" in found["traffic.routing.neighbors.lhr1-v4.import.origins"]
    assert "Did you mean 'isp'" in found["traffic.routing.neighbors.lhr1-v4.import.refuse"]
