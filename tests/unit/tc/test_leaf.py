"""What tc is told of a class's own queue, and whether what it shows is that.

The words shown for fq_codel and cake are written as iproute2's print functions write them: no kernel here has
them to show.
"""

import pytest

from tidegate.tc import leaf, show

FQ_CODEL = {"kind": "fq_codel", "limit": 1000, "flows": 512, "target": "5ms", "interval": "100ms", "ecn": True}
CAKE = {"kind": "cake", "rtt": "50ms", "diffserv": "diffserv4", "isolation": "dual-dsthost", "ack_filter": False}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"kind": "pfifo", "limit": 50}, "pfifo limit 50"),
        ({"kind": "fq", "limit": 10000, "flow_limit": 100}, "fq limit 10000 flow_limit 100"),
        (FQ_CODEL, "fq_codel limit 1000 flows 512 target 5ms interval 100ms ecn"),
        (CAKE, "cake unlimited rtt 50ms diffserv4 dual-dsthost no-ack-filter"),
        ({"kind": "fq_codel", "ecn": False}, "fq_codel noecn"),
    ],
)
def test_what_tc_is_told(wanted, words):
    assert leaf.told(wanted) == words


SHOWN = """\
qdisc htb 1de: dev eth0 root refcnt 2 r2q 10 default 0 direct_packets_stat 0 direct_qlen 1000
qdisc fq_codel 11: dev eth0 parent 1de:11 limit 1000p flows 512 quantum 1514 target 4.99ms interval 100ms ecn
qdisc cake 12: dev eth0 parent 1de:12 bandwidth unlimited diffserv4 dual-dsthost nonat nowash no-ack-filter rtt 50ms
qdisc bfifo 13: dev eth0 parent 1de:13 limit 15000b
qdisc pfifo 8001: dev eth0 parent 1de:14 limit 50p
qdisc pfifo 11: dev eth1 parent 1de:11 limit 50p
"""


def live(minor):
    return show.leaves(SHOWN, "eth0")[minor]


def test_each_class_finds_its_own():
    found = show.leaves(SHOWN, "eth0")

    assert {minor: each.kind for minor, each in found.items()} == {
        0x11: "fq_codel",
        0x12: "cake",
        0x13: "bfifo",
        0x14: "pfifo",
    }
    assert found[0x11].ours(0x11) and not found[0x14].ours(0x14)


@pytest.mark.parametrize(
    ("minor", "wanted"), [(0x11, FQ_CODEL), (0x12, CAKE), (0x13, {"kind": "bfifo", "limit": 15000})]
)
def test_what_is_as_wanted_does_not_deviate(minor, wanted):
    assert leaf.deviations(wanted, live(minor)) == []


@pytest.mark.parametrize(
    ("minor", "wanted", "words"),
    [
        (0x11, {**FQ_CODEL, "limit": 2000}, ["limit 1000p → 2000"]),
        (0x11, {**FQ_CODEL, "target": "6ms"}, ["target 4.99ms → 6ms"]),
        (0x11, {**FQ_CODEL, "ecn": False}, ["ecn → false"]),
        (0x12, {**CAKE, "diffserv": "besteffort"}, ["diffserv → besteffort"]),
        (0x12, {**CAKE, "ack_filter": True}, ["ack_filter → true"]),
        (0x13, {"kind": "bfifo", "limit": 16000}, ["limit 15000b → 16000"]),
        (0x13, {"kind": "pfifo", "limit": 15000}, ["bfifo → pfifo"]),
    ],
)
def test_what_differs_is_told(minor, wanted, words):
    assert leaf.deviations(wanted, live(minor)) == words
