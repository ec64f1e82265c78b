"""Import policies, sets and learned routes as BIRD's configuration: refused where they are not what they have to be."""

from __future__ import annotations

import re

import pytest

from tidegate.host.errors import Refused

from .conftest import POLICIES


def of(section, name):
    return next(one for one in section["neighbors"] if one["name"] == name)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("length", [8, 999]),
        ("length", ["8 then return true; #", 24]),
        ("max_path_length", 0),
        ("transit_free_asns", ["174 ]"]),
        ("transit_free_asns", [-1]),
        ("blackhole", {"communities": ["65535:666)"], "length": [32, 32]}),
        ("blackhole", {"communities": ["65535:666"], "length": [32, "32"]}),
        ("tuning", [{"community": "1:2) || (1", "large_community": None, "local_pref": 1, "med": None}]),
        ("tuning", [{"community": "1:2", "large_community": None, "local_pref": "1; x", "med": None}]),
    ],
)
def test_a_check_of_the_wrong_kind_is_refused(rendered, section, key, value):
    section["policies"]["customer-4"] = POLICIES["customer-4"] | {key: value}
    with pytest.raises(Refused, match=key if key != "tuning" else "by_community"):
        rendered()


@pytest.mark.parametrize(
    ("kind", "entries"),
    [
        ("ipv4", ["192.0.2.0/24 ]; } #"]),
        ("ipv4", ["192.0.2.0/24{8,24}"]),
        ("ipv4", ["192.0.2.0/24{24,28},0.0.0.0/0"]),
        ("ipv4", [3]),
    ],
)
def test_an_entry_of_the_wrong_kind_is_refused(rendered, section, kind, entries):
    section["sets"]["isp"][kind] = entries
    with pytest.raises(Refused, match=r"sets\.prefixes"):
        rendered()


@pytest.mark.parametrize("entries", [["64500 ]"], [2**32], [True], [[1, 2, 3]]])
def test_an_as_number_of_the_wrong_kind_is_refused(rendered, section, entries):
    section["sets"]["isp-asns"]["asns"] = entries
    with pytest.raises(Refused, match=r"sets\.asns"):
        rendered()


@pytest.mark.parametrize("key", ["policies", "sets"])
def test_what_the_plan_names_and_does_not_hold_is_refused(rendered, section, key):
    section[key] = {}
    with pytest.raises(Refused, match="the plan has no"):
        rendered()


def test_an_empty_set_matches_nothing(rendered):
    body = re.search(r"function in_nothing_\w+\(\)[^{]*\{(.*?)\}", rendered(), re.DOTALL)
    assert body[1].strip() == "return false;"


def test_no_sets_at_all_let_nothing_in(rendered, section):
    of(section, "lhr1-isp")["import_"]["prefixes"] = []
    assert re.search(r"is_blackhole_\w+\(\) && \(false\)", rendered())


@pytest.mark.parametrize("name", ["lhr1-transit", "lhr1-peer", "lhr1-ix-rs"])
@pytest.mark.parametrize("learned", ["provider", "peer", "rs", "rs-client", "ibgp", "boss"])
def test_nothing_from_uphill_is_rendered_for_uphill(rendered, section, name, learned):
    of(section, name)["learned"] = ["customer", learned]
    with pytest.raises(Refused, match=f"{name}.*never told of routes learned from"):
        rendered()


def test_a_default_route_is_not_rendered_for_uphill(rendered, section):
    of(section, "lhr1-peer")["default_route"] = True
    with pytest.raises(Refused, match="never told of a default route"):
        rendered()


def test_what_is_asked_of_a_bird_that_cannot_names_the_version_and_the_place(rendered, section):
    section["policies"]["rs-4"] = POLICIES["rs-4"] | {"if_supported": False}
    with pytest.raises(Refused, match=r"neighbors\.lhr1-ix-rs\.import\.aspa: ASPA needs BIRD 2\.16\.0.*runs 2\.0\.12"):
        rendered((2, 0, 12))
    assert "aspa_check" in rendered((2, 17, 6))


def test_what_may_be_left_out_is_left_out_where_it_must_be(rendered):
    assert "aspa" not in rendered((2, 0, 12))
    assert "aspa_check" in rendered((3, 1, 8))
    assert "aspa" not in rendered((3, 0, 1))


def test_what_a_drain_leads_away_from_is_the_last_choice_whatever_communities_say(rendered, section):
    of(section, "lhr1-isp")["import_"]["last_choice"] = True
    (line,) = re.findall(r"import where (.*with_preference\(0\).*);", rendered())
    assert line.index("tune_") < line.index("with_preference(0)")
