"""From files to a policy: Salt's renderers, merging, and errors that know their file and line."""

from pathlib import Path

import pytest
import yaml
from example import GOOD, changed

from tidegate.policy.load import load

EXAMPLE = Path(__file__).parents[3] / "pillar"


@pytest.fixture
def pillar(tmp_path):
    """A pillar directory, filled by calling it: ``pillar(fleet="…text…")`` writes traffic/fleet.sls."""
    (tmp_path / "traffic").mkdir()

    def write(**files):
        for name, text in files.items():
            path = tmp_path / "traffic" / f"{name}.sls"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text if isinstance(text, str) else yaml.safe_dump({"traffic": text}))
        return tmp_path

    return write


def found(pillar_dir):
    return [(problem.place, problem.where, problem.message) for problem in load(pillar_dir).problems]


def test_the_shipped_example_is_good():
    loaded = load(EXAMPLE)
    assert loaded.problems == []
    assert set(loaded.policy.fleet.hosts) == {"edge1.lhr1", "edge2.lhr1", "edge1.ams1", "edge1.iad1"}


def test_files_are_merged_whatever_their_names_and_folders(pillar, tmp_path):
    (tmp_path / "traffic" / "us").mkdir()
    pillar(z={"fleet": GOOD["fleet"]}, a={"filtering": GOOD["filtering"], "shaping": GOOD["shaping"]})
    neighbors = GOOD["routing"]["neighbors"]
    pillar(
        r={
            "routing": {
                **GOOD["routing"],
                "neighbors": {"lhr1-v4": neighbors["lhr1-v4"], "lhr1-v6": neighbors["lhr1-v6"]},
            }
        },
        **{"us/n": {"routing": {"neighbors": {"ams1-v4": neighbors["ams1-v4"]}}}},
    )
    loaded = load(tmp_path)
    assert loaded.problems == []
    assert loaded.document == GOOD


def test_two_files_that_define_one_thing_are_both_named(pillar):
    first = "traffic:\n  shaping: []\n  routing:\n    asn: 64500\n"
    directory = pillar(a=first, b="traffic:\n  routing:\n    asn: 64501\n  shaping: []\n", c={"fleet": GOOD["fleet"]})
    assert found(directory) == [
        ("traffic/b.sls:3", "traffic.routing.asn", "two files define this: traffic/a.sls:4 does too"),
        ("traffic/b.sls:4", "traffic.shaping", "two files define this: traffic/a.sls:2 does too"),
    ]


def test_an_error_of_the_schema_knows_its_line(pillar):
    text = yaml.safe_dump({"traffic": changed(("fleet/hosts/edge1.lhr1/router_id", "nonsense"))})
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "nonsense" in row)
    assert found(pillar(all=text))[0][:2] == (
        f"traffic/all.sls:{line}",
        "traffic.fleet.hosts[edge1.lhr1].router_id",
    )


def test_lines_are_those_of_the_file_not_of_what_jinja_made_of_it(pillar):
    directory = pillar(
        fleet={"fleet": GOOD["fleet"]},
        sets="{% for number in range(3) %}\n{# nothing #}\n{% endfor %}\ntraffic:\n  filtering:\n    sets:\n"
        "{%- for name in ('a', 'b') %}\n      {{ name }}: {prefixes: 10.0.0.1/8}\n{%- endfor %}\n"
        "      c: {prefix: 1}\n",
    )
    places = {where: place for place, where, _ in found(directory)}
    assert places["traffic.filtering.sets.c.prefix"] == "traffic/sets.sls:10"
    assert places["traffic.filtering.sets.a.prefixes"] == "traffic/sets.sls:6"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("traffic:\n  fleet: [\n", 3, "this is not YAML"),
        ("traffic:\n\tfleet: 1\n", 2, "this is not YAML"),
        ("traffic:\n  fleet: {{ nowhere }}\n", None, "cannot be rendered"),
        ("traffic:\n  fleet: {% if %}\n", 2, "cannot be rendered"),
        ("#!nosuchrenderer\ntraffic: {}\n", None, "cannot be rendered"),
        ("traffic: {}\nother: 1\n", None, "unknown key 'other'"),
        ("trafic: {}\n", None, "unknown key 'trafic'"),
        ("- a\n- b\n", None, "no mapping"),
        ("traffic: 3\n", None, "no mapping"),
        ("just text", None, "no mapping"),
        ("include: [other]\ntraffic: {}\n", None, "unknown key 'include'"),
        ("traffic:\n  fleet: &f\n    regions: *f\n", None, "contains itself"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_the_others_are_still_checked(pillar, text, line, message):
    directory = pillar(bad=text, good=changed(("routing/asn", "x")))
    problems = load(directory).problems
    bad = [problem for problem in problems if problem.file == "traffic/bad.sls"]
    assert any(message in problem.message for problem in bad), bad
    assert line is None or any(problem.line == line for problem in bad), bad
    assert any(problem.where == "traffic.routing.asn" for problem in problems)


def test_binary_rubbish_is_an_error_of_that_file(pillar, tmp_path):
    pillar(good=GOOD)
    (tmp_path / "traffic" / "bad.sls").write_bytes(b"\xff\xfe\x00")
    assert found(tmp_path) == [("traffic/bad.sls", "traffic", "the file is not UTF-8 text")]


def test_any_of_salts_renderers_works(pillar):
    directory = pillar(
        a="#!py\ndef run():\n    return {'traffic': {'fleet': " + repr(GOOD["fleet"]) + "}}\n",
        b="#!json\n" + '{"traffic": {"filtering": {"sets": {"x": {"prefixes": "10.0.0.0/8"}}}}}',
        c="",
        d="# nothing but a comment\ntraffic: {}\n",
    )
    loaded = load(directory)
    assert loaded.problems == []
    assert loaded.policy.filtering.sets["x"].prefixes == ("10.0.0.0/8",)


def test_templates_may_import_from_the_pillar_directory(pillar, tmp_path):
    (tmp_path / "traffic" / "names.jinja").write_text("{% set asn = 64500 %}")
    routing = "{% from 'traffic/names.jinja' import asn %}\ntraffic:\n  routing:\n    asn: {{ asn }}\n"
    loaded = load(pillar(fleet={"fleet": GOOD["fleet"]}, routing=routing))
    assert loaded.problems == []
    assert loaded.policy.routing.asn == 64500


def test_a_directory_without_policy_is_an_error(tmp_path):
    assert "there is no folder" in load(tmp_path).problems[0].message
    (tmp_path / "traffic").mkdir()
    assert "there is no policy" in load(tmp_path).problems[0].message
