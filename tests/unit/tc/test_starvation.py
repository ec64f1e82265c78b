"""A class that has less than its guarantee while there is room, told from counters; and the counters as metrics."""

import pytest

from tests.unit.tc.section import EDGE
from tidegate.tc import figures, health, metrics, show
from tidegate.tc.tree import LINK, plant

TREE = plant(EDGE)
WEB = 0x9C2
HUNGRY = {LINK: 50_000_000.0, WEB: 30_000_000.0}


def test_a_class_below_its_guarantee_with_room_above_is_named():
    assert health.starved(TREE, HUNGRY, {WEB}) == ["web had 30mbit of its 60mbit, and packets waited for more"]


@pytest.mark.parametrize(
    ("rates", "queued"),
    [
        ({**HUNGRY, LINK: 99_000_000.0}, {WEB}),
        (HUNGRY, set()),
        ({**HUNGRY, WEB: 58_000_000.0}, {WEB}),
    ],
    ids=["the link is full", "nothing waits", "it has nearly all"],
)
def test_and_otherwise_nobody_is(rates, queued):
    assert health.starved(TREE, rates, queued) == []


def test_metrics_say_what_went_through_and_what_is_promised():
    counters = show.Counters(bytes=10, packets=2, drops=1, overlimits=3, backlog=100, queued=1)
    live = {
        each.minor: show.LiveClass(each.minor, 1, 0, 0, *[figures.Span(0, 0)] * 4, counters) for each in TREE.classes
    }
    del live[0x11]

    lines = metrics.text([(TREE, live)]).splitlines()

    labels = '{interface="uplink",device="eth0",class="web",priority="1"}'
    assert f"tidegate_tc_dropped_packets_total{labels} 1" in lines
    assert f"tidegate_tc_guarantee_bits_per_second{labels} 60000000" in lines
    assert not [line for line in lines if line.startswith("tidegate_tc_sent") and 'class="control"' in line]
    assert all(line.startswith(("# HELP tidegate_tc_", "# TYPE tidegate_tc_", "tidegate_tc_")) for line in lines)
