"""What one field can know: each mistake is named with its path, what was expected, and what was probably meant."""

import pytest
from example import GONE, GOOD, changed, errors

from tidegate.policy.load import examine

EDGE = "fleet/hosts/edge1.lhr1"
RULE = "filtering/rules/1"
TREE = "shaping/0"


def test_the_example_is_good():
    assert examine(GOOD).problems == []


MISTAKES = [
    # (where it is put, value, path reported, words that the report must hold)
    ("routing/neigbors", {}, "traffic.routing.neigbors", "unknown key Did you mean 'neighbors'?"),
    ("fiiltering", {}, "traffic.fiiltering", "unknown key Did you mean 'filtering'?"),
    (f"{EDGE}/pop", 1, "traffic.fleet.hosts[edge1.lhr1].pop", "text quotes"),
    (f"{EDGE}/router_id", "10.0.0", "traffic.fleet.hosts[edge1.lhr1].router_id", "IPv4"),
    (f"{EDGE}/router_id", "0.0.0.0", "traffic.fleet.hosts[edge1.lhr1].router_id", "not 0.0.0.0"),
    (f"{EDGE}/interfaces/uplink/device", "et h0", "traffic.fleet.hosts[edge1.lhr1].interfaces.uplink.device", "eth0"),
    (
        f"{EDGE}/interfaces/uplink/addresses/0",
        "198.51.100.3",
        "traffic.fleet.hosts[edge1.lhr1].interfaces.uplink.addresses[0]",
        "prefix length",
    ),
    (
        f"{EDGE}/interfaces/uplink/addresses/0",
        "10.1.0.0/24",
        "traffic.fleet.hosts[edge1.lhr1].interfaces.uplink.addresses[0]",
        "network or broadcast",
    ),
    ("fleet/hosts/bad name", {}, "traffic.fleet.hosts.bad name", "letters, digits"),
    ("routing/asn", "64500", "traffic.routing.asn", "whole number without quotes"),
    ("routing/asn", 23456, "traffic.routing.asn", "reserved"),
    ("routing/asn", 2**32, "traffic.routing.asn", "4294967294"),
    ("routing/asn", True, "traffic.routing.asn", "whole number"),
    ("routing/asn", GONE, "traffic.routing.asn", "missing AS number"),
    ("routing/services/web/prefixes/0", "192.0.2.1/24", "traffic.routing.services.web.prefixes[0]", "192.0.2.0/24"),
    ("routing/services/web/prefixes", "192.0.2.1/24", "traffic.routing.services.web.prefixes", "host bits"),
    ("routing/services/web/prefixes", [], "traffic.routing.services.web.prefixes", "at least one"),
    ("routing/services/web/min_pops", -1, "traffic.routing.services.web.min_pops", "from 0"),
    ("routing/neighbors/lhr1-v4/address", "198.51.100.2/31", "traffic.routing.neighbors.lhr1-v4.address", "prefix"),
    ("routing/neighbors/lhr1-v4/address", "169.254.1.1", "traffic.routing.neighbors.lhr1-v4.address", "link-local"),
    ("routing/neighbors/lhr1-v4/address", "ff02::1", "traffic.routing.neighbors.lhr1-v4.address", "other machine"),
    ("routing/neighbors/lhr1-v4/role", "upstream", "traffic.routing.neighbors.lhr1-v4.role", "provider"),
    ("routing/neighbors/lhr1-v4/match", {}, "traffic.routing.neighbors.lhr1-v4.match", "never means all"),
    ("routing/neighbors/lhr1-v4/match", None, "traffic.routing.neighbors.lhr1-v4.match", "never means all"),
    ("routing/neighbors/lhr1-v4/match", GONE, "traffic.routing.neighbors.lhr1-v4.match", "missing"),
    ("routing/neighbors/lhr1-v4/match", {"pop": []}, "traffic.routing.neighbors.lhr1-v4.match.pop", "at least one"),
    (
        "routing/neighbors/lhr1-v4/match",
        {"pop": None},
        "traffic.routing.neighbors.lhr1-v4.match.pop",
        "never means all",
    ),
    ("routing/neighbors/lhr1-v4/match", "everyone", "traffic.routing.neighbors.lhr1-v4.match", "'all'"),
    ("routing/neighbors/lhr1-v4/match", {"regoin": "eu"}, "traffic.routing.neighbors.lhr1-v4.match.regoin", "'region'"),
    ("routing/neighbors/lhr1-v4/hold_time", 2, "traffic.routing.neighbors.lhr1-v4.hold_time", "from 3"),
    ("routing/neighbors/lhr1-v4/password", "hunter2", "traffic.routing.neighbors.lhr1-v4.password", "mapping"),
    (
        "routing/announcements/0/communities",
        ["64500:70000"],
        "traffic.routing.announcements[0].communities[0]",
        "65535",
    ),
    ("routing/announcements/0/communities", ["64500"], "traffic.routing.announcements[0].communities[0]", "2 numbers"),
    (
        "routing/announcements/0/large_communities",
        ["1:2"],
        "traffic.routing.announcements[0].large_communities[0]",
        "3",
    ),
    ("routing/announcements/0/prepend", 11, "traffic.routing.announcements[0].prepend", "up to 10"),
    ("routing/announcements/0/to", {}, "traffic.routing.announcements[0].to", "never means all"),
    (f"{RULE}/action", "reject", "traffic.filtering.rules[1].action", "drop"),
    (f"{RULE}/protocol", "tpc", "traffic.filtering.rules[1].protocol", "'tcp'"),
    (f"{RULE}/protocol", 256, "traffic.filtering.rules[1].protocol", "255"),
    (f"{RULE}/source_port", 65536, "traffic.filtering.rules[1].source_port", "65535"),
    (f"{RULE}/source_port", "9-3", "traffic.filtering.rules[1].source_port", "'3-9'"),
    (f"{RULE}/source_port", "http", "traffic.filtering.rules[1].source_port", "443"),
    (f"{RULE}/source_port", [53, "x"], "traffic.filtering.rules[1].source_port[1]", "443"),
    (f"{RULE}/source", "10.0.0.1/8", "traffic.filtering.rules[1].source", "10.0.0.0/8"),
    (f"{RULE}/source", None, "traffic.filtering.rules[1].source", "leave the key out"),
    ("routing", None, "traffic.routing", "leave the key out"),
    ("routing/neighbors/lhr1-v4/import", None, "traffic.routing.neighbors.lhr1-v4.import", "leave the key out"),
    (f"{RULE}/source", [], "traffic.filtering.rules[1].source", "never means 'all'"),
    (f"{TREE}/rate", "100 Mbit", "traffic.shaping[0].rate", "100mbit"),
    (f"{TREE}/rate", 100, "traffic.shaping[0].rate", "unit"),
    (f"{TREE}/rate", "100", "traffic.shaping[0].rate", "unit"),
    (f"{TREE}/rate", "100Mbps", "traffic.shaping[0].rate", "Units count bits"),
    (f"{TREE}/rate", "1kbit", "traffic.shaping[0].rate", "8kbit"),
    (f"{TREE}/classes/web/guarantee", "101%", "traffic.shaping[0].classes.web.guarantee", "100%"),
    (f"{TREE}/classes/web/guarantee", "0%", "traffic.shaping[0].classes.web.guarantee", "above 0%"),
    (f"{TREE}/classes/web/priority", 8, "traffic.shaping[0].classes.web.priority", "up to 7"),
    (f"{TREE}/classes/web/match", [{}], "traffic.shaping[0].classes.web.match[0]", "at least one condition"),
    (f"{TREE}/classes/web/match", [{"dscp": "cs8"}], "traffic.shaping[0].classes.web.match[0].dscp", "DSCP"),
    (f"{TREE}/classes/web/match", [{"dscp": 64}], "traffic.shaping[0].classes.web.match[0].dscp", "63"),
    (f"{TREE}/classes/web/default", "yes", "traffic.shaping[0].classes.web.default", "true or false"),
]


@pytest.mark.parametrize(("path", "value", "where", "words"), MISTAKES)
def test_a_mistake_is_named(path, value, where, words):
    found = errors((path, value))
    assert where in found, found
    for word in words.split():
        assert word in found[where]


HOSTILE = [
    'say "hello"',
    "two\nlines",
    "tab\there",
    "nul\0",
    "right-to-left \u202e",
    "line\u2028separator",
    "",
    "é" * 101,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_that_no_quoting_can_carry_is_refused(text):
    assert "traffic.routing.neighbors.lhr1-v4.description" in errors(("routing/neighbors/lhr1-v4/description", text))


@pytest.mark.parametrize("text", ["; drop everything }", "it's # fine", "a\\b", "Zürich – 東京", "$(reboot)"])
def test_text_that_quoting_can_carry_is_kept(text):
    assert errors(("routing/neighbors/lhr1-v4/description", text)) == {}


def test_a_misspelt_key_is_reported_once_not_also_as_missing():
    found = errors((f"{EDGE}/class", GONE), (f"{EDGE}/clas", "gen12"))
    assert list(found) == ["traffic.fleet.hosts[edge1.lhr1].clas"]


def test_all_sections_are_reported_in_one_run_and_none_hides_another():
    found = errors(
        (f"{EDGE}/router_id", "x"),
        ("routing/asn", GONE),
        ("routing/announcements/0/service", "wbe"),
        ("filtering/rules/0/source", "bogon"),
        ("filtering/rules/1/action", "reject"),
        ("shaping/0/match", {"role": "egde"}),
        ("unknown", 1),
    )
    assert set(found) == {
        "traffic.fleet.hosts[edge1.lhr1].router_id",
        "traffic.routing.asn",
        "traffic.routing.announcements[0].service",
        "traffic.filtering.rules[0].source",
        "traffic.filtering.rules[1].action",
        "traffic.unknown",
        *(["traffic.shaping[0].match.role"] if "traffic.shaping[0].match.role" in found else []),
    }


def test_a_broken_entry_is_still_there_for_those_who_name_it():
    found = errors(
        ("fleet/regions/eu/pops/lhr1", {"x": 1}), (f"{EDGE}/role", 7), ("routing/services/web/min_pops", "x")
    )
    assert set(found) == {
        "traffic.fleet.regions.eu.pops.lhr1.x",
        "traffic.fleet.hosts[edge1.lhr1].role",
        "traffic.routing.services.web.min_pops",
    }


def test_positions_in_a_list_are_those_of_the_file_even_when_an_earlier_item_is_broken():
    found = errors(("filtering/rules/0/action", "x"), ("filtering/rules/1/destination", "wbe"))
    assert set(found) == {"traffic.filtering.rules[0].action", "traffic.filtering.rules[1].destination"}


@pytest.mark.parametrize("section", ["fleet", "routing", "filtering", "shaping"])
@pytest.mark.parametrize("value", [None, 3, "text", [], ["a", 1], {"a": 1}, {}, True])
def test_no_shape_of_data_raises(section, value):
    assert examine({**GOOD, section: value}).problems is not None


@pytest.mark.parametrize("data", [{}, {"fleet": None}, {"fleet": {"hosts": {}, "regions": {}}}])
def test_an_empty_policy_is_an_error_never_a_policy_of_nothing(data):
    assert examine(data).policy is None


def test_a_fleet_whose_only_host_is_broken_does_not_hide_the_rest():
    only = changed(("fleet/hosts", {"edge1.lhr1": {}}), ("filtering/rules/0/source", "bogon"))
    assert "traffic.filtering.rules[0].source" in {problem.where for problem in examine(only).problems}
