"""Queues of classes, interfaces taken over, and a tc that stops in the middle."""

import pytest

from tests.unit.tc.section import shaped, traffic_class
from tidegate.host.errors import Failed
from tidegate.tc import command, live

MBIT = 1_000_000
LINK = 100 * MBIT
WEB = {**traffic_class("web", 0x10, 1, 60 * MBIT, LINK), "match": []}
BULK = traffic_class("bulk", 0x20, 3, 5 * MBIT, LINK, default=True)
OUTER = {**traffic_class("outer", 0x30, 1, 20 * MBIT, LINK), "inner": True}
INNER = {**traffic_class("outer/in", 0x31, 1, 5 * MBIT, LINK), "parent": 0x30}
NESTED = shaped(BULK, OUTER, INNER)


def queue(**leaf):
    return shaped({**BULK, "leaf": leaf})


def test_a_class_has_its_own_queue_and_its_options_can_change(host, generation):
    live.apply(generation(queue(kind="pfifo", limit=50)), None)
    assert "qdisc pfifo 20: dev eth0 parent 1de:20 limit 50p" in host.tc("qdisc show")

    longer = generation(queue(kind="pfifo", limit=70))
    assert live.diff(longer) == ["~ eth0 class bulk queue limit 50p → 70"]
    live.apply(longer, None)

    assert live.diff(longer) == []
    assert "limit 70p" in host.tc("qdisc show")


@pytest.mark.parametrize("after", [{"kind": "bfifo", "limit": 30000}, None])
def test_an_empty_queue_may_become_another(host, generation, after):
    live.apply(generation(queue(kind="pfifo", limit=50)), None)
    made = generation(queue(**after) if after else shaped(BULK))

    live.apply(made, None)

    assert live.diff(made) == []
    assert "pfifo 20:" not in host.tc("qdisc show")


def test_a_queue_in_which_packets_wait_is_never_replaced(host, generation, send):
    slow = {**BULK, "guarantee": 8_000, "ceiling": 8_000}
    live.apply(generation(shaped({**slow, "leaf": {"kind": "pfifo", "limit": 100}})), None)
    send(40, 1000)
    made = generation(shaped({**slow, "leaf": {"kind": "bfifo", "limit": 30000}}))

    with pytest.raises(Failed, match="packets wait in bulk"):
        live.apply(made, None)

    assert live.counters(made)["eth0"]["bulk"]["queued"] > 30
    assert "pfifo 20:" in host.tc("qdisc show")


@pytest.mark.parametrize("kind", ["fq", "fq_codel", "cake"])
def test_a_queue_that_the_kernel_lacks_is_refused_by_name(host, generation, kind):
    if command.try_in_empty_namespace([f"qdisc add dev lo root {kind}"]) is None:
        pytest.skip(f"this kernel has {kind}")
    before = host.tc("qdisc show")

    (problem,) = live.problems(generation(queue(kind=kind)))

    assert problem.startswith(f"this kernel has no {kind}, which class bulk of eth0 asks for")
    assert host.tc("qdisc show") == before


def test_a_queue_that_somebody_put_below_a_class_without_one_is_left(host, generation):
    made = generation(shaped(BULK))
    live.apply(made, None)
    host.tc("qdisc add dev eth0 parent 1de:20 handle 8001: pfifo limit 7")

    assert live.diff(made) == []


def test_a_root_of_somebody_else_is_taken_over_where_the_policy_says_so(host, generation):
    host.tc("qdisc add dev eth0 root handle 8001: tbf rate 1gbit burst 1mb latency 1s")
    made = generation({**shaped(BULK), "adopt": True})
    assert live.problems(made) == []
    assert live.diff(made)[0] == "~ eth0 tbf 8001: → htb 1de:: adopted"

    live.apply(made, None)

    assert live.diff(made) == []
    assert "tbf" not in host.tc("qdisc show")


def test_a_nested_tree_is_planted_and_changed_and_goes(host, generation):
    made = generation(NESTED)
    live.apply(made, None)
    assert live.diff(made) == []
    assert "class htb 1de:31 parent 1de:30" in host.tc("class show dev eth0")

    flat = generation(shaped(BULK))
    live.apply(flat, None)

    assert live.diff(flat) == []


def meddling(host, monkeypatch, hand):
    """A hand does something between what is read and the first batch that is written."""
    batch, hands = command.batch, [hand]

    def meddled(lines):
        if hands:
            host.tc(hands.pop())
        batch(lines)

    monkeypatch.setattr(command, "batch", meddled)


@pytest.mark.parametrize("hand", ["class del dev eth0 classid 1de:31", "class del dev eth0 classid 1de:20"])
def test_a_class_that_a_hand_deletes_between_read_and_write_is_made_again(host, generation, monkeypatch, hand):
    """``class change`` of a class that is gone makes tc stop: what is live is read again and completed."""
    live.apply(generation(NESTED), None)
    made = generation(shaped({**BULK, "guarantee": 6 * MBIT}, OUTER, {**INNER, "guarantee": 6 * MBIT}))
    meddling(host, monkeypatch, hand)

    live.apply(made, None)

    assert live.diff(made) == []


def test_a_parent_that_vanishes_before_its_children_come_is_made_again_with_them_below(host, generation, monkeypatch):
    """The kernel makes a root class of a child without a parent, and says nothing."""
    live.apply(generation(shaped(BULK, {**OUTER, "inner": False})), None)
    made = generation(NESTED)
    meddling(host, monkeypatch, "class del dev eth0 classid 1de:30")

    live.apply(made, None)

    assert live.diff(made) == []
    assert "class htb 1de:31 parent 1de:30" in host.tc("class show dev eth0")


def breaking(monkeypatch, times):
    """tc stops at a line it cannot read, behind the first of each batch of more than one, some times."""
    batch, left = command.batch, [None] * times

    def broken(lines):
        if left and len(lines) > 1:
            left.pop()
            lines = [lines[0], "class add dev eth0 parent 1de:1 classid 1de:77 htb rate nonsense", *lines[1:]]
        batch(lines)

    monkeypatch.setattr(command, "batch", broken)


def test_a_batch_that_stops_once_is_read_again_and_completed(host, generation, monkeypatch):
    live.apply(generation(shaped(BULK)), None)
    made = generation(NESTED)
    breaking(monkeypatch, 1)

    live.apply(made, None)

    assert live.diff(made) == []


def test_a_batch_that_stops_again_is_taken_back_and_told(host, generation, monkeypatch):
    old = generation(shaped(BULK))
    live.apply(old, None)
    before = host.tc("class show dev eth0")
    more = traffic_class("more", 0x40, 2, MBIT, LINK)
    made = generation(shaped({**BULK, "guarantee": 6 * MBIT}, OUTER, INNER, more))

    with monkeypatch.context() as patch:
        breaking(patch, 2)
        with pytest.raises(Failed, match=r"rate nonsense: .*; what was written before is taken back \(\d classes\)"):
            live.apply(made, None)

    assert live.diff(old) == []
    assert host.tc("class show dev eth0").split("class htb ")[1:] == before.split("class htb ")[1:]
