"""Sets from files: what is in them, and everything that may be wrong with them."""

import pytest

from tidegate.policy.load import load
from tidegate.policy.prefix_files import parse


def test_prefixes_of_both_families_with_comments_and_repetition():
    assert parse("# ours\n10.0.0.0/8\n\n2001:DB8::/32 # theirs\n10.0.0.0/8\n10.1.0.0/16\n192.0.2.7\n") == [
        *("10.0.0.0/8", "10.1.0.0/16", "192.0.2.7/32", "2001:db8::/32")
    ]


WRONG = [
    ("10.0.0.1/8\n", "line 1: '10.0.0.1/8' has host bits set"),
    ("2001:db8::1/32\n", "host bits"),
    ("10.0.0.0/8\ngarbage\n", "line 2: 'garbage' is not a prefix"),
    ("10.0.0.0/33\n", "length"),
    ("10.0.0.0/-1\n", "length"),
    ("10.0.0.0/\n", "length"),
    ("010.0.0.0/8\n", "not a prefix"),
    ("10.0.0/8\n", "not a prefix"),
    ("10.0.0.0/8 drop\n", "length"),
    ("\x00\n", "not a prefix"),
    ("10.0.0.0/8", "cut off"),
    ("", "no prefix"),
    ("# nothing\n", "no prefix"),
    ("x\n" * 7, "and 2 more"),
]


@pytest.mark.parametrize(("text", "why"), WRONG, ids=[repr(row[0]) for row in WRONG])
def test_what_is_wrong_is_named(text, why):
    with pytest.raises(ValueError, match=why.replace("?", "[?]")):
        parse(text)


def test_ten_million_prefixes_are_refused_with_the_memory_they_would_take():
    with pytest.raises(ValueError, match="10,000,000 prefixes would take up to 2,441 MiB"):
        parse("192.0.2.1\n" * 10_000_000)


POLICY = """
traffic:
  fleet:
    regions: {eu: {pops: {lhr1: {}}}}
    hosts:
      edge1.lhr1:
        {pop: lhr1, role: edge, class: gen12, router_id: 10.0.0.1,
         interfaces: {uplink: {device: eth0, addresses: [198.51.100.2/31]}}}
  filtering:
    sets: {abusers: {file: sets/abusers.txt}}
    rules: [{name: abusers, match: {role: edge}, interface: uplink, source: abusers, action: drop}]
"""


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "traffic" / "sets").mkdir(parents=True)
    (tmp_path / "traffic" / "all.sls").write_text(POLICY)
    return tmp_path


def test_a_set_is_read_from_a_file_beside_the_policy(tree):
    (tree / "traffic" / "sets" / "abusers.txt").write_text("203.0.113.0/24\n")
    loaded = load(tree)
    assert loaded.problems == []
    assert loaded.policy is not None
    assert loaded.policy.index.prefixes(("abusers",)) == ["203.0.113.0/24"]


def test_a_file_that_cannot_be_read_is_one_error_at_its_place(tree):
    found = load(tree).problems
    assert [(problem.where, problem.message) for problem in found] == [
        ("traffic.filtering.sets.abusers.file", "the file cannot be read: No such file or directory")
    ]


def test_a_set_has_prefixes_or_a_file(tree):
    path = tree / "traffic" / "all.sls"
    path.write_text(POLICY.replace("{file: sets/abusers.txt}", "{file: sets/abusers.txt, prefixes: [10.0.0.0/8]}"))
    assert "of its own too" in load(tree).problems[0].message
    path.write_text(POLICY.replace("{file: sets/abusers.txt}", "{file: ../../etc/passwd}"))
    assert any("below the policy's folder" in problem.message for problem in load(tree).problems)
    path.write_text(POLICY.replace("{file: sets/abusers.txt}", "{}"))
    assert any("prefixes, or a file" in str(problem) for problem in load(tree).problems)
