"""What HTB is told for a section."""

import json

import pytest

from tests.unit.tc.section import BULK, CONTROL, EDGE, WEB, matcher, section, shaped, traffic_class
from tidegate.host.errors import Refused
from tidegate.tc.render import render
from tidegate.tc.tree import LINK, load, plant


def by_name(tree):
    return {each.name: each for each in tree.classes}


def test_the_plan_becomes_leaves_below_one_class_for_the_link():
    tree = plant(EDGE)

    assert [(each.name, each.minor, each.parent) for each in tree.classes] == [
        ("link", LINK, 0),
        ("control", 0x11, LINK),
        ("web", 0x9C2, LINK),
        ("bulk", 0xFFFE, LINK),
    ]
    link, web = by_name(tree)["link"], by_name(tree)["web"]
    assert (link.rate, link.ceiling) == (100_000_000, 100_000_000)
    assert (web.rate, web.ceiling, web.priority) == (60_000_000, 100_000_000, 1)


def test_burst_is_a_millisecond_and_at_least_a_frame():
    classes = by_name(plant(EDGE))

    assert (classes["link"].burst, classes["web"].burst, classes["web"].cburst) == (12_500, 7_500, 12_500)
    assert classes["control"].burst == 1_600


def test_equals_share_by_guarantee():
    classes = by_name(plant(EDGE))

    assert classes["web"].quantum / classes["bulk"].quantum == 60 / 5
    assert classes["control"].quantum == 1514, "never less than a frame"


def test_a_rate_too_low_for_htb_is_raised_and_drags_its_ceiling():
    crumb = traffic_class("crumb", 0x20, 7, 1, 2, default=True)

    leaf = by_name(plant(shaped(crumb)))["crumb"]

    assert (leaf.rate, leaf.ceiling) == (8_000, 8_000)


def test_rates_are_whole_bytes_so_that_they_read_back_equal():
    odd = traffic_class("odd", 0x20, 1, 1_234_567, 99_999_999, default=True)

    leaf = by_name(plant(shaped(odd)))["odd"]

    assert (leaf.rate, leaf.ceiling) == (1_234_560, 99_999_992)


def test_entries_keep_the_order_of_the_plan():
    wide = traffic_class("wide", 0x20, 1, 8_000, 8_000, matcher(protocol=17), matcher(dscp=[46]), default=True)

    assert [entry.minor for entry in plant(shaped(wide, CONTROL)).entries] == [0x20, 0x20, 0x11]


def test_render_is_deterministic_and_read_back_whole(tmp_path):
    files = render(section(EDGE))
    assert files == render(section(EDGE))
    (tmp_path / "tc.json").write_text(files["tc.json"])

    assert load(tmp_path) == [plant(EDGE)]


def test_markers_change_with_what_they_stand_for():
    def markers(interface):
        document = json.loads(render(section(interface))["tc.json"])
        return document["marker"], document["interfaces"][0]["marker"]

    whole, classifier = markers(EDGE)
    faster_whole, faster_classifier = markers(shaped(CONTROL, {**WEB, "ceiling": 90_000_000}, BULK))
    other_whole, other_classifier = markers(shaped({**CONTROL, "match": [matcher(dscp=[46])]}, WEB, BULK))

    assert all(len(marker) == 16 for marker in (whole, classifier))
    assert faster_whole != whole and faster_classifier == classifier
    assert other_whole != whole and other_classifier != classifier


def test_nothing_of_ours_is_said_and_not_left_out(tmp_path):
    (tmp_path / "tc.json").write_text(render(section())["tc.json"])

    assert load(tmp_path) == []


@pytest.mark.parametrize("content", [None, "", "{", "{}", "[]", '{"interfaces": [{}]}', '{"interfaces": null}'])
def test_a_damaged_file_never_means_no_trees(tmp_path, content):
    if content is not None:
        (tmp_path / "tc.json").write_text(content)

    with pytest.raises(Refused, match="left as it is"):
        load(tmp_path)


@pytest.mark.parametrize("device", ["eth0\nqdisc del dev eth1 root", "eth0 root", '"', "#", "-x", "", "a" * 16])
def test_a_device_name_never_becomes_a_command(tmp_path, device):
    (tmp_path / "tc.json").write_text(render(section({**EDGE, "device": device}))["tc.json"])

    with pytest.raises(Refused, match="no name of a network device"):
        load(tmp_path)
