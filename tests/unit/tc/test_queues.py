"""Classes in queues: the laws of who stands where and has what, and trees that come and go there."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tc.kernel import Kernel
from tests.unit.tc.section import matcher, section, shaped, traffic_class
from tidegate.tc import change, show
from tidegate.tc.leaf import LiveLeaf
from tidegate.tc.queues import MOST, above, at, lower, parts, queue_of
from tidegate.tc.render import render
from tidegate.tc.root import Roots
from tidegate.tc.show import Qdisc
from tidegate.tc.tree import LINK, MAJOR, class_id, load, plant

NAMES = st.sets(st.text("abcdefgh-", min_size=1, max_size=12), min_size=1, max_size=40)
COUNTS = st.integers(2, MOST)


@st.composite
def interfaces(draw):
    """Classes by name, some with classes inside, whose guarantees fit the interface; the first is the default."""
    names, queues = sorted(draw(NAMES)), draw(COUNTS)
    sure = [draw(st.integers(8_000, 10**9)) for _ in names]
    rate = sum(sure) + draw(st.integers(0, 10**9))
    classes = []
    for number, (name, guarantee) in enumerate(zip(names, sure, strict=True)):
        minor = 0x1000 + number * 2
        top = {
            **traffic_class(name, minor, 1, guarantee, rate, matcher(dscp=[number])),
            "queue": queue_of(name, queues),
        }
        inner = draw(st.booleans())
        below = {**traffic_class(f"{name}/in", minor + 1, 1, guarantee, rate), "parent": minor}
        classes += [{**top, "inner": True}, below] if inner else [top]
    next(each for each in classes if not each.get("inner"))["default"] = True
    return {**shaped(*classes, rate=rate), "queues": queues}


@given(NAMES, COUNTS)
def test_a_class_stands_in_a_queue_that_is_there(names, queues):
    assert {queue_of(name, queues) for name in names} <= set(range(1, queues + 1))


@given(NAMES, st.integers(1, MOST - 1))
def test_a_queue_more_takes_classes_and_moves_none_among_the_others(names, queues):
    for name in names:
        assert queue_of(name, queues + 1) in (queue_of(name, queues), queues + 1)


def test_many_classes_fill_queues_alike():
    found = [queue_of(f"customer-{number}", 8) for number in range(8_000)]

    assert all(850 < found.count(queue) < 1150 for queue in range(1, 9))


def test_where_a_class_stands_stays_from_release_to_release():
    assert [queue_of(name, 8) for name in ("web", "bulk", "control", "customer-a")] == [7, 5, 7, 2]


@given(interfaces())
def test_the_parts_are_not_more_than_the_rate_and_each_has_room_for_its_guarantees(interface):
    tree = plant(interface)
    by_number = {each.minor: each for each in tree.classes}
    links = [each for each in tree.classes if lower(each.minor) == LINK]

    assert sum(link.rate for link in links) <= interface["rate"]
    assert sum(link.rate for link in links) > interface["rate"] - 8 * len(links) - 8
    for link in links:
        assert link.rate == link.ceiling
        assert sum(each.rate for each in tree.classes if each.parent == link.minor) <= link.rate
    assert all(lower(each.minor) == LINK or each.parent in by_number for each in tree.classes)


@given(interfaces())
def test_a_class_stands_whole_in_one_queue(interface):
    tree = plant(interface)
    names = {each.minor: each.name for each in tree.classes}

    for each in tree.classes:
        if lower(each.minor) != LINK:
            assert above(each.minor) == above(each.parent) == queue_of(each.name.split("/")[0], interface["queues"]) - 1
    assert len(names) == len(tree.classes)


@given(interfaces(), st.data())
def test_a_class_that_goes_moves_no_other(interface, data):
    goes = data.draw(st.sampled_from([each["name"] for each in interface["classes"] if "queue" in each]))
    left = [each for each in interface["classes"] if each["name"].split("/")[0] != goes]
    leaves = [each for each in left if not each.get("inner")]
    if not leaves:
        return
    if not any(each["default"] for each in left):
        leaves[0]["default"] = True
    before, after = plant(interface), plant({**interface, "classes": left})

    ids = {each.name: each.id for each in before.classes}
    assert all(ids[each.name] == each.id for each in after.classes)


@given(interfaces())
def test_read_back_whole(tmp_path_factory, interface):
    folder = tmp_path_factory.mktemp("generation")
    (folder / "tc.json").write_text(render(section(interface))["tc.json"])

    assert load(folder) == [plant(interface)]


@given(interfaces(), interfaces())
def test_a_difference_carried_out_leaves_none(old, new):
    kernel = Kernel()
    for line in change.difference(plant(old), {}).growing():
        kernel.run(line)
    tree = plant({**new, "queues": MOST})
    for _ in range(2):
        step = change.difference(tree, show.classes(mq(kernel.text())))
        for line in (*step.growing(), *step.shrinking()):
            kernel.run(line)

    assert not change.difference(tree, show.classes(mq(kernel.text())))


def mq(text):
    """As tc shows classes below a root of that kind, which are classes as well."""
    return f"class mq 1dd:1 root leaf 1de: \n{text}"


def test_of_two_trees_without_our_mq_only_the_first_is_ours():
    kernel = Kernel()
    for line in change.difference(plant(EDGE), {}).growing():
        kernel.run(line)

    assert {above(minor) for minor in show.classes(kernel.text())} == {0}
    assert {above(minor) for minor in show.classes(mq(kernel.text()))} == {0, 1}


A = {**traffic_class("a", 0x11, 1, 30_000_000, 100_000_000, matcher(dscp=[1])), "queue": 1}
B = {**traffic_class("b", 0x12, 1, 10_000_000, 100_000_000, default=True), "queue": 2}
EDGE = {**shaped(A, B), "queues": 2}


def test_the_rate_is_divided_by_guarantees():
    assert parts(EDGE) == {1: 75_000_000, 2: 25_000_000}


def test_ids_say_the_queue():
    assert [class_id(at(queue, 0x11)) for queue in (1, 2, MOST)] == ["1de:11", "1df:11", f"{MAJOR + 63:x}:11"]
    assert {each.name: each.id for each in plant(EDGE).classes} == {
        "queue 1": "1de:1",
        "queue 2": "1df:1",
        "a": "1de:11",
        "b": "1df:12",
    }


def test_without_queues_nothing_of_them_is_said():
    plain = shaped({key: value for key, value in A.items() if key != "queue"} | {"default": True})

    assert "queue" not in json.dumps(json.loads(render(section(plain))["tc.json"]))


def test_queues_are_another_policy_for_the_classifier():
    """Or it would go on without saying the queue."""
    first = {**A, "default": True}
    plain = shaped({key: value for key, value in first.items() if key != "queue"})

    assert plant(plain).marker != plant({**shaped(first), "queues": 2}).marker


def test_rates_flip_no_classifier():
    assert plant(EDGE).marker == plant({**shaped({**A, "guarantee": 20_000_000}, B), "queues": 2}).marker


JSON = """[{"class":"mq","handle":"1dd:1","root":true,"leaf":"1de:"},
{"class":"htb","handle":"1df:1","root":true,"rate":1250000,"ceil":1250000,"burst":1600,"cburst":1600},
{"class":"htb","handle":"1df:12","parent":"1df:1","prio":0,"rate":125000,"ceil":1250000,"burst":1600,"cburst":1600},
{"class":"htb","handle":"21e:12","root":true,"rate":125000,"ceil":1250000,"burst":1600,"cburst":1600}]"""
TEXT = """class mq 1dd:1 root leaf 1de:
class htb 1df:1 root rate 10Mbit ceil 10Mbit burst 1600b cburst 1600b
class htb 1df:12 parent 1df:1 prio 0 rate 1Mbit ceil 10Mbit burst 1600b cburst 1600b
class htb 21e:12 root prio 0 rate 1Mbit ceil 10Mbit burst 1600b cburst 1600b
"""


@pytest.mark.parametrize("output", [JSON, TEXT, TEXT.replace(" rate", " quirk rate")])
def test_json_and_text_say_the_queue_alike(output):
    assert {minor: each.parent for minor, each in show.classes(output).items()} == {
        at(2, LINK): at(2, 0),
        at(2, 0x12): at(2, LINK),
    }


QDISCS = """qdisc mq 1dd: dev eth0 root
qdisc htb 1df: dev eth0 parent 1dd:2 r2q 10 default 0 direct_packets_stat 5 direct_qlen 1000
qdisc htb 1ed: dev eth0 parent 1dd:10 r2q 10 default 0 direct_packets_stat 2 direct_qlen 1000
qdisc pfifo_fast 0: dev eth0 parent 1dd:3 bands 3
qdisc pfifo 12: dev eth0 parent 1df:12 limit 5p
qdisc htb 1df: dev eth1 root refcnt 2 r2q 10 default 0 direct_packets_stat 100 direct_qlen 1000
"""


def test_what_stands_below_queues():
    found = show.branches(QDISCS, "eth0")

    assert {queue: (each.kind, each.handle) for queue, each in found.items()} == {
        2: ("htb", "1df:"),
        16: ("htb", "1ed:"),
        3: ("pfifo_fast", "0:"),
    }
    assert show.leaves(QDISCS, "eth0") == {at(2, 0x12): LiveLeaf("pfifo", "12:", ("limit", "5p"))}
    assert show.direct(QDISCS, "eth0") == 7


def planted(*queues):
    return {queue: Qdisc("htb", class_id(at(queue, 0)), "eth0", False, f"1dd:{queue:x}") for queue in queues}


MQ, HTB, NONE, OTHER = (
    Qdisc(kind, handle, "eth0", root=True)
    for kind, handle in (("mq", "1dd:"), ("htb", "1de:"), ("noqueue", "0:"), ("mq", "8001:"))
)
TREE = plant(EDGE)


@pytest.mark.parametrize(
    ("top", "below", "lines", "batch"),
    [
        (MQ, planted(1, 2), [], []),
        (
            MQ,
            planted(1),
            ["+ eth0 queue 2 htb 1df:"],
            ["qdisc replace dev eth0 parent 1dd:2 handle 1df: htb default 0"],
        ),
        (MQ, planted(1, 2, 17), ["- eth0 queue 17 htb 1ee:"], []),
        (
            HTB,
            {},
            ["~ eth0 htb 1de: → mq 1dd:: made again, unshaped meanwhile"],
            ["qdisc del dev eth0 root handle 1de:", "qdisc add dev eth0 root handle 1dd: mq"],
        ),
        (NONE, {}, ["+ eth0 mq 1dd:"], ["qdisc add dev eth0 root handle 1dd: mq"]),
        (
            OTHER,
            planted(1, 2),
            ["~ eth0 mq 8001: → mq 1dd:: adopted"],
            ["qdisc replace dev eth0 root handle 1dd: mq"],
        ),
    ],
)
def test_roots(top, below, lines, batch):
    roots = Roots(TREE, top, below)

    assert [line for line in roots.lines() if top == MQ or "queue" not in line] == lines
    assert [line for line in roots.planting() if top == MQ or "parent" not in line] == batch


def test_a_queue_that_goes_gets_what_the_kernel_would_have_given_it():
    assert Roots(TREE, MQ, planted(1, 2, 17)).clearing() == ["qdisc replace dev eth0 parent 1dd:11 pfifo_fast"]


def test_one_tree_takes_the_place_of_many():
    roots = Roots(replace(TREE, queues=0), MQ, planted(1, 2))

    assert roots.lines() == ["~ eth0 mq 1dd: → htb 1de:: made again, unshaped meanwhile"]
    assert roots.planting() == [
        "qdisc del dev eth0 root handle 1dd:",
        "qdisc add dev eth0 root handle 1de: htb default 0",
    ]


def test_a_class_whose_name_for_its_queue_is_taken_waits_for_it():
    leaf = {"kind": "pfifo", "limit": 5}
    old, new = (
        plant({**shaped({**A, "leaf": leaf}, B), "queues": 2}),
        plant({**shaped({**A, "leaf": leaf, "queue": 2}, B), "queues": 2}),
    )
    kernel = Kernel()
    for line in change.difference(old, {}).growing():
        if line.startswith("class"):
            kernel.run(line)
    live = show.classes(mq(kernel.text()))
    taken = {at(1, 0x11): LiveLeaf("pfifo", "11:", ("limit", "5p"))}

    assert not [line for line in change.difference(new, live, leaves=taken).growing() if line.startswith("qdisc")]
    assert [line for line in change.difference(new, live).growing() if line.startswith("qdisc")] == [
        "qdisc replace dev eth0 parent 1df:11 handle 11: pfifo limit 5"
    ]
