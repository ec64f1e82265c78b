"""The section as BIRD's configuration: golden files that each version's own parser accepts without a warning."""

from __future__ import annotations

import copy
import json
import os
import re
import time
from pathlib import Path

import pytest
from jinja2 import Environment

from tidegate.bird import conf, quote
from tidegate.bird.render import render
from tidegate.host.errors import Refused

GOLDEN = Path(__file__).parent / "golden"
TEMPLATES = Path(__file__).parents[3] / "salt" / "traffic" / "templates"
SERIES = {"2.0": (2, 0, 12), "2.17": (2, 17, 6), "3.1": (3, 1, 8)}


@pytest.mark.parametrize("series", SERIES)
def test_golden(series, rendered):
    """The golden files; TIDEGATE_GOLDEN=write renews them."""
    text, file = rendered(SERIES[series]), GOLDEN / f"bird-{series}.conf"
    if os.environ.get("TIDEGATE_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_accepted_without_a_warning_by_its_own_bird(bird, rendered, tmp_path):
    assert bird.judge(rendered(bird.version), tmp_path) == ""


@pytest.mark.parametrize("changes", [{"services": [], "neighbors": []}, {"neighbors": []}])
def test_little_or_nothing_is_accepted_too(bird, rendered, tmp_path, changes):
    assert bird.judge(rendered(bird.version, **changes), tmp_path) == ""


@pytest.mark.parametrize("series", ["2.17", "3.1"])
def test_keys_are_rolled_over_where_bird_can(signed, rendered, series):
    text = rendered(SERIES[series])
    block = text[text.index("authentication ao;") :]
    assert re.findall(r"id (\d+);|(deprecated|preferred);", block) == [
        ("1", ""),
        ("", "deprecated"),
        ("2", ""),
        ("", "preferred"),
    ]
    assert 'secret "new key";' in block
    assert "new key" not in conf.without_secrets(text)


def test_a_signed_session_is_accepted_by_its_bird(bird, signed, rendered, tmp_path):
    if bird.version < (2, 17, 0):
        with pytest.raises(Refused, match=r"neighbors\.signed\.keys: TCP-AO needs BIRD 2\.17\.0 or newer.*2\.0\.12"):
            rendered(bird.version)
        return
    assert bird.judge(rendered(bird.version), tmp_path) == ""


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("vrf", {"device": 'blue"; }', "table": 7}, "vrf.device"),
        ("vrf", {"device": "red", "table": "7; }"}, "vrf.table"),
        ("bfd", {"interval": "1 ms; }", "multiplier": 3}, "bfd.interval"),
        ("stale_time", "1; }", "stale_time"),
        ("multihop", "1; }", "multihop"),
    ],
)
def test_an_option_of_the_wrong_kind_is_refused_by_field(rendered, section, key, value, field):
    section["neighbors"][0] |= {key: value, "device": None}
    with pytest.raises(Refused, match=re.escape(field)):
        rendered()


@pytest.mark.parametrize("algorithm", ["md5", "hmac sha1; }", None])
def test_a_key_of_an_unknown_algorithm_is_refused(rendered, signed, algorithm):
    signed["neighbors"][-1]["keys"][0]["algorithm"] = algorithm
    with pytest.raises(Refused, match=r"keys\.algorithm"):
        rendered()


def test_two_vrfs_are_never_confused(rendered, section):
    section["neighbors"][0]["vrf"] = {"device": "green", "table": 77}
    with pytest.raises(Refused, match="confused"):
        rendered()


def test_without_announcements_nothing_is_exported(rendered, section):
    silent = [neighbor | {"export": [], "learned": [], "default_route": False} for neighbor in section["neighbors"]]
    text = rendered(neighbors=silent)
    assert text.count("export none;") >= len(silent)
    assert "announce_" not in text


def test_neighbors_that_get_the_same_share_one_function(rendered, section):
    one = section["neighbors"][0]
    many = [one | {"name": f"n{i}", "protocol": f"peer_n{i}", "address": f"198.51.100.{i}"} for i in range(100)]
    text = rendered(neighbors=many)
    assert text.count("function announce_") == 2
    assert text.count("export where announce_dns4() || announce_web4();") == 100


@pytest.mark.parametrize("name", ["lhr1-transit", "lhr1-isp"])
def test_a_thousand_neighbors_parse_in_a_second_everywhere(bird, rendered, section, tmp_path, name):
    (one,) = [neighbor for neighbor in section["neighbors"] if neighbor["name"] == name]
    many = [one | {"name": f"n{i}", "protocol": f"peer_n{i}"} for i in range(1000)]
    text = rendered(bird.version, neighbors=many)
    began = time.monotonic()
    assert bird.judge(text, tmp_path) == ""
    assert time.monotonic() - began < 1.0


def test_the_marker_follows_every_change(rendered, section):
    other = copy.deepcopy(section["neighbors"])
    other[0]["description"] = "renamed"
    markers = {conf.marker(rendered()), conf.marker(rendered(neighbors=other)), conf.marker(rendered(table=4211))}
    assert len(markers) == 3
    assert None not in markers
    assert conf.marker(rendered()) == conf.marker(rendered())


def test_the_marker_says_nothing_without_the_key(section):
    def marker(key):
        secrets = {"bgp/lhr1-transit": "a", "bgp/lhr1-peer": "b"}
        files = render(section, version=(2, 17, 6), templates=TEMPLATES, secrets=secrets, key=key)
        return json.loads(files["bird.json"])["marker"]

    assert marker(b"one key") != marker(b"another key")


def test_bird_json_names_marker_routes_and_announcements_and_no_secret(section):
    secrets = {"bgp/lhr1-transit": "hunter2", "bgp/lhr1-peer": "hunter3"}
    files = render(section, version=(2, 17, 6), templates=TEMPLATES, secrets=secrets, key=b"k")
    document = json.loads(files["bird.json"])
    assert document["marker"] == conf.marker(files["bird.conf"])
    assert document["routes"]["203.0.113.53/32"] == "dns"
    assert document["sessions"][0]["announces"] == ["192.0.2.0/24", "203.0.113.0/25", "203.0.113.53/32"]
    assert "hunter" in files["bird.conf"]
    assert "hunter" not in files["bird.json"]


def test_a_bird_that_is_too_old_is_refused(rendered):
    with pytest.raises(Refused, match=r"2\.0\.11 is too old"):
        rendered((2, 0, 11))


def test_an_unknown_secret_is_refused_by_neighbor_and_reference(section):
    with pytest.raises(Refused, match=r"neighbor 'lhr1-transit', password.*no secret 'bgp/lhr1-transit'"):
        render(section, version=(2, 17, 6), templates=TEMPLATES, secrets={}, key=b"k")


@pytest.mark.parametrize("name", ["kernel4", "services6", "announced4", "learn4", "announce_web4", "peer_lhr1_peer"])
def test_a_session_cannot_take_a_name_that_is_taken(rendered, section, name):
    section["neighbors"][0]["protocol"] = name
    with pytest.raises(Refused, match="taken already"):
        rendered()


@pytest.mark.parametrize("name", ["has space", "1st", "a-b", "x" * 65, "", "a;b", "a\nb"])
def test_a_session_name_that_is_no_symbol_is_refused(rendered, section, name):
    section["neighbors"][0]["protocol"] = name
    with pytest.raises(Refused, match="neighbor 'lhr1-transit', protocol"):
        rendered()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", "198.51.100.3; }"),
        ("address", "fe80::1%eth0"),
        ("address", 3325256707),
        ("local", "localhost"),
        ("asn", 0),
        ("asn", 2**32),
        ("asn", "64601"),
        ("asn", True),
        ("hold_time", 2),
        ("keepalive", -1),
        ("role", "boss"),
        ("device", 'eth0"'),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_field(rendered, section, field, value):
    section["neighbors"][0][field] = value
    with pytest.raises(Refused, match="lhr1-transit"):
        rendered()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("communities", ["64500:100)"]),
        ("communities", ["65536:1"]),
        ("communities", ["1:2:3"]),
        ("communities", ["٣:1"]),
        ("large_communities", ["1:2"]),
        ("extended_communities", ["rt:1"]),
        ("extended_communities", ["generic:1:2"]),
        ("extended_communities", ["rt:1:2), (rt:3:4"]),
        ("prefixes", ["192.0.2.1/24"]),
        ("prefixes", ["192.0.2.0/24+"]),
        ("prepend", 1000),
        ("med", -1),
    ],
)
def test_an_export_value_of_the_wrong_kind_is_refused_by_field(rendered, section, field, value):
    section["neighbors"][0]["export"][1][field] = value
    with pytest.raises(Refused, match=f"export.{field}"):
        rendered()


def test_a_template_that_forgets_a_filter_is_refused():
    environment = Environment()
    quote.install(environment)
    with pytest.raises(Refused, match="without a filter"):
        environment.from_string("description {{ description }};").render(description="harmless")


def test_a_plan_that_lacks_a_field_is_refused_not_guessed(rendered, section):
    del section["neighbors"][0]["asn"]
    with pytest.raises(Refused, match="asn"):
        rendered()


def test_every_session_rejects_what_it_does_not_accept(rendered):
    """No channel is left to BIRD's defaults, and none accepts by ``all``."""
    sessions = re.findall(r"^protocol bgp .*?^}", rendered(), re.MULTILINE | re.DOTALL)
    for session in sessions:
        assert re.search(r"import (none|where \w+)", session)
        assert re.search(r"export (none|where (! is_from_uphill\(\) && \()?(announce|pass)_\w+)", session)
