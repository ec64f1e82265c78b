"""A policer: from the section to the kernel's figures and back to words."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tc.section import BULK, CONTROL, WEB, section, shaped
from tidegate.bpf.buckets import bucket_time, pace, per_second
from tidegate.tc import police_table, policer
from tidegate.tc.police_table import differences, policing
from tidegate.tc.render import render

INTERFACE = {**shaped(CONTROL, WEB, BULK), "name": "uplink in", "ingress": "eth0", "policed": True}
POLICER = policer.hire(INTERFACE)
RATES = st.integers(8_000, 400 * 10**9)


@given(RATES)
def test_a_rate_reads_back_as_it_was_written(rate):
    assert abs(per_second(pace(rate / 8, 3028).cost) * 8 - rate) <= max(1, rate / 10**4)


@given(RATES, st.integers(0, 7))
def test_a_burst_lets_two_frames_and_two_ticks_worth_in(rate, priority):
    each = {**BULK, "guarantee": rate, "ceiling": rate, "burst_us": 1, "priority": priority}
    found = policing(policer.hire({**INTERFACE, "rate": rate, "classes": [each]}))

    for one in (found.classes[0].guarantee, found.classes[0].ceiling, found.whole):
        assert int(one.burst) >= int(one.cost) * 2 * 1514 >> 20
        assert int(one.burst) >= 1.99 * int(one.tick)


def test_a_higher_priority_may_use_more_of_what_is_spare_by_two_ticks_at_least():
    classes = [{**BULK, "name": f"p{n}", "minor": 0x20 + n, "priority": n, "default": n == 7} for n in range(8)]
    found = policing(policer.hire({**INTERFACE, "classes": classes}))

    spare = [int(each.spare) for each in found.classes[:8]]
    steps = {higher - lower for higher, lower in pairwise(spare)}
    assert min(steps) >= 2 * int(found.whole.tick) > 0
    assert spare[-1] > 0
    assert bucket_time(0.05) <= spare[0] * 1.01


def test_a_generation_holds_policers_beside_trees_and_gives_them_back(tmp_path):
    text = render(section(shaped(BULK), INTERFACE))["tc.json"]
    (tmp_path / "tc.json").write_text(text)

    assert policer.load(tmp_path) == [POLICER]
    assert [tree["device"] for tree in json.loads(text)["interfaces"]] == ["eth0"]


def test_who_polices_nothing_has_no_word_of_it():
    assert "policers" not in render(section(shaped(BULK)))["tc.json"]


def test_what_differs_is_told_in_classes():
    other = policer.hire({**INTERFACE, "rate": 50_000_000, "classes": [{**WEB, "guarantee": 10_000_000}, BULK]})

    assert list(differences(POLICER, policing(other), {})) == [
        "+ eth0 police control 1mbit..100mbit prio 0",
        "~ eth0 police web guarantee 10mbit → 60mbit",
        "~ eth0 police rate 50mbit → 100mbit",
    ]
    assert list(differences(other, policing(POLICER), {0x11: "control"})) == [
        "~ eth0 police web guarantee 60mbit → 10mbit",
        "- eth0 police control",
        "~ eth0 police rate 100mbit → 50mbit",
    ]


def test_a_burst_and_a_priority_are_told_where_they_are_all_that_differs():
    (changed,) = [{**WEB, "priority": 5, "burst_us": 200_000}]
    other = policer.hire({**INTERFACE, "classes": [CONTROL, changed, BULK]})

    assert list(differences(other, policing(POLICER), {})) == [
        "~ eth0 police web burst of the guarantee → 200ms, burst of the ceiling → 200ms,"
        " share of what is spare → priority 5"
    ]
    assert list(differences(POLICER, policing(POLICER), {})) == []


def test_packets_lead_to_places_and_what_matches_nothing_to_the_default():
    tables = police_table.lookup(POLICER)

    assert [int(action.value) for action in tables.slot.action[:2]] == [1, 2]
    assert int(tables.slot.fallback) == 3
