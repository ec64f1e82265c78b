"""The ext_pillar's source: quick while nothing changes, and never without the last good plans."""

import json
import logging

import pytest
import yaml
from example import GOOD, changed

from tidegate.host.errors import Refused
from tidegate.host.plan import Plan
from tidegate.policy import pillar_source
from tidegate.policy.pillar_source import Source


class Tree:
    """A pillar directory whose policy can be changed, and sources (one per master process) that read it."""

    def __init__(self, path):
        self.path = path
        self.file = path / "pillar" / "traffic" / "all.sls"
        self.file.parent.mkdir(parents=True)

    def write(self, data):
        self.file.write_text(data if isinstance(data, str) else yaml.safe_dump({"traffic": data}))

    def source(self):
        return Source(self.path / "pillar", self.path / "cache", {})


@pytest.fixture
def tree(tmp_path):
    tree = Tree(tmp_path)
    tree.write(GOOD)
    return tree


def asn(pillar):
    return Plan.from_document(pillar["traffic"], "edge1.lhr1").bird["asn"]


def test_a_listed_host_receives_its_own_plan_and_an_unlisted_one_nothing(tree):
    source = tree.source()
    for host in GOOD["fleet"]["hosts"]:
        assert Plan.from_document(json.loads(json.dumps(source.pillar(host)["traffic"])), host).host == host
    assert source.pillar("stranger") == {}


@pytest.mark.parametrize(
    "minion", ["", "..", "../../etc/passwd", "edge*", "edge1.lhr1\n", "a\0b", "{{ 1 }}", "EDGE1.LHR1"]
)
def test_an_id_is_only_ever_looked_up(tree, minion):
    assert tree.source().pillar(minion) == {}


def test_nothing_is_read_again_until_a_file_changes(tree, monkeypatch):
    loads = []
    real = pillar_source.load
    monkeypatch.setattr(pillar_source, "load", lambda *args: loads.append(1) or real(*args))
    source = tree.source()
    for host in [*GOOD["fleet"]["hosts"], "stranger"] * 3:
        source.pillar(host)
    assert len(loads) == 1
    tree.write(changed(("routing/asn", 64510)))
    assert asn(source.pillar("edge1.lhr1")) == 64510
    assert len(loads) == 2


def test_a_new_file_and_a_file_that_goes_are_changes(tree):
    source = tree.source()
    source.pillar("edge1.lhr1")
    extra = tree.file.with_name("more.sls")
    extra.write_text("traffic: {filtering: {sets: {more: {prefixes: 10.0.0.0/8}}}}")
    before = source._seen
    source.pillar("edge1.lhr1")
    assert source._seen != before
    extra.unlink()
    source.pillar("edge1.lhr1")
    assert source._seen == before


BREAKAGES = {
    "an error of the schema": lambda tree: tree.write(changed(("routing/asn", "x"))),
    "an error of YAML": lambda tree: tree.write("traffic: ["),
    "an empty file": lambda tree: tree.write(""),
    "no file": lambda tree: tree.file.unlink(),
    "no folder": lambda tree: tree.file.parent.rename(tree.path / "elsewhere"),
    "a fleet of nobody": lambda tree: tree.write({"fleet": {"regions": {}, "hosts": {}}}),
    "a dangling link": lambda tree: tree.file.with_name("link.sls").symlink_to("/nonexistent/file"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
@pytest.mark.parametrize("restart", [False, True], ids=["same process", "after a restart"])
def test_a_broken_policy_leaves_the_last_good_plans_in_force_and_says_so(tree, caplog, breakage, restart):
    source = tree.source()
    good = source.pillar("edge1.lhr1")
    BREAKAGES[breakage](tree)
    if restart:
        source = tree.source()
    with caplog.at_level(logging.ERROR):
        assert source.pillar("edge1.lhr1") == good
        assert source.pillar("stranger") == {}
    assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_every_error_is_logged(tree, caplog):
    source = tree.source()
    tree.write(changed(("routing/asn", "x"), ("filtering/rules/0/source", "bogon")))
    source.pillar("edge1.lhr1")
    assert "traffic.routing.asn" in caplog.text
    assert "traffic.filtering.rules[0].source" in caplog.text


def test_without_any_good_policy_a_host_is_told_and_refuses(tree):
    tree.write("traffic: [")
    document = tree.source().pillar("edge1.lhr1")["traffic"]
    with pytest.raises(Refused, match="no earlier good one is known"):
        Plan.from_document(document, "edge1.lhr1")


@pytest.mark.parametrize("stored", ["", "[]", "{}", '{"fleet": 1}', "not json"])
def test_a_damaged_store_is_not_a_policy(tree, stored):
    tree.write("traffic: [")
    source = tree.source()
    source.last_good.parent.mkdir(parents=True)
    source.last_good.write_text(stored)
    assert "refused" in source.pillar("edge1.lhr1")["traffic"]


def test_a_repaired_policy_is_taken_up_again(tree):
    source = tree.source()
    source.pillar("edge1.lhr1")
    tree.write("traffic: [")
    source.pillar("edge1.lhr1")
    tree.write(changed(("routing/asn", 64510)))
    assert asn(source.pillar("edge1.lhr1")) == 64510


def test_the_store_is_the_masters_alone_and_leaves_no_scraps(tree):
    source = tree.source()
    source.pillar("edge1.lhr1")
    assert source.last_good.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in source.last_good.parent.iterdir()] == ["last-good-policy.json"]


def test_the_policy_is_looked_for_in_the_first_pillar_root_that_has_one(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "two" / "traffic").mkdir()
    roots = [str(tmp_path / "one"), str(tmp_path / "two")]
    assert pillar_source.default_directory({"pillar_roots": {"base": roots}}) == tmp_path / "two"
    assert pillar_source.default_directory({"pillar_roots": {"base": roots[:1]}}) == tmp_path / "one"
