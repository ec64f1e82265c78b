"""Trees in the queues of a veth with four: where packets go, what they get, and what a change touches."""

import os
import re
import socket
import threading
import time

import pytest

from tests.kernel.conftest import Wire, run
from tests.kernel.tc.test_iproute2 import ROOTS, VERSIONS
from tests.unit.tc.section import matcher, shaped, traffic_class
from tidegate.host.errors import Failed
from tidegate.host.paths import paths
from tidegate.tc import command, health, live, survey, txqueues
from tidegate.tc.program import OBJECT
from tidegate.tc.tree import load

MBIT = 1_000_000
LINK = 40 * MBIT
PORTS = {"a": 1001, "b": 1002, "c": 1003, "rest": 7}


def standing(queue, name, minor, guarantee, *match, **more):
    """A class that stands in a queue."""
    return {**traffic_class(name, minor, 1, guarantee, LINK, *match, **more), "queue": queue}


def port(name):
    return matcher(destination_port=[[PORTS[name], PORTS[name]]])


A = standing(1, "a", 0x11, 8 * MBIT, port("a"))
B = standing(2, "b", 0x12, 4 * MBIT, port("b"))
C = standing(2, "c", 0x13, 4 * MBIT, port("c"))
REST = standing(4, "rest", 0x14, 4 * MBIT, default=True)


def queued(*classes, queues=4):
    """An interface with trees in queues; nobody stands in the third."""
    return {**shaped(*classes, rate=LINK), "queues": queues}


EDGE = queued(A, B, C, REST)
PLAIN = shaped(*({key: value for key, value in each.items() if key != "queue"} for each in (A, B, C, REST)), rate=LINK)


@pytest.fixture
def wire(namespace, machine, monkeypatch):
    """As the wire of all tests, but with four queues on each end, and a /sys that shows the host's."""
    ends = namespace(), namespace()
    four = ("numtxqueues", 4, "numrxqueues", 4)
    ends[0].run(
        "ip", "link", "add", "eth0", *four, "type", "veth", "peer", "name", "eth0", "netns", ends[1].name, *four
    )
    for end, number in zip(ends, (2, 3), strict=True):
        end.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
        end.run("ip", "address", "add", f"198.51.100.{number}/31", "dev", "eth0")
        end.run("ip", "address", "add", f"2001:db8:1::{number}/64", "dev", "eth0", "nodad")
        end.run("ip", "link", "set", "eth0", "up")
    place = machine / "sys"
    place.mkdir()
    ends[0].run("mount", "-t", "sysfs", "sysfs", place)
    monkeypatch.setenv("TIDEGATE_SYS", str(place))
    yield Wire(*ends)
    run("umount", "--lazy", place)


def statuses(generation, before=None):
    return {check.name: check.status for check in health.checks(generation, before or {})}


def figures(generation, name):
    return live.counters(generation)["eth0"][name]


def phases(generation):
    (tree,) = load(generation)
    found = survey.survey(tree, generation / OBJECT)
    return [lambda: live.grow(found), lambda: live.classify(found, generation / OBJECT), lambda: live.shrink(found)]


def xps(queue):
    return paths().sys / "class/net/eth0/queues" / f"tx-{queue}" / "xps_cpus"


def test_trees_are_planted_and_found_as_planned(host, generation):
    made = generation(EDGE)
    assert live.problems(made) == []
    assert live.diff(made) == [
        "+ eth0 mq 1dd:",
        "+ eth0 queue 1 htb 1de:",
        "+ eth0 queue 2 htb 1df:",
        "+ eth0 queue 3 htb 1e0:",
        "+ eth0 queue 4 htb 1e1:",
        "+ eth0 class queue 1 16mbit..16mbit prio 0",
        "+ eth0 class queue 2 16mbit..16mbit prio 0",
        "+ eth0 class queue 4 8mbit..8mbit prio 0",
        "+ eth0 class a 8mbit..40mbit prio 1",
        "+ eth0 class b 4mbit..40mbit prio 1",
        "+ eth0 class c 4mbit..40mbit prio 1",
        "+ eth0 class rest 4mbit..40mbit prio 1",
        "~ eth0 classifier: not attached",
    ]

    live.apply(made, None)

    assert live.diff(made) == []
    assert set(statuses(made).values()) == {"ok"}
    assert "class htb 1df:13 parent 1df:1" in host.tc("class show dev eth0")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_iproute2_of_each_debian_reads_it_back(host, generation, monkeypatch, version):
    place = ROOTS / VERSIONS[version] / "iproute2"
    if not (place / "tc").exists():
        pytest.skip(f"iproute2 {version} is not fetched: run script/fetch-birds")
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    made = generation(queued({**A, "leaf": {"kind": "pfifo", "limit": 50}}, B, C, REST))

    live.apply(made, None)

    assert command.show("-j", "class", "show", "dev", "eth0").lstrip().startswith("[") == (version == "6.15")
    assert survey.read("eth0").keys() == {each.minor for each in load(made)[0].classes}
    assert live.diff(made) == []
    assert set(statuses(made).values()) == {"ok"}


def test_packets_go_to_the_queue_of_their_class(host, generation, send):
    made = generation(EDGE)
    live.apply(made, None)
    before = health.baseline()
    for number in PORTS.values():
        send(5, to=("198.51.100.3", number))
        send(3, to=("2001:db8:1::3", number))

    assert [figures(made, name)["packets"] for name in "abc"] == [8, 8, 8]
    assert figures(made, "rest")["packets"] >= 8
    (found,) = [check for check in health.checks(made, before) if check.name == "tc.eth0.queues"]
    assert found.status == "ok"
    assert found.figure < 5, "questions for neighbors pass beside"


def test_a_customers_packets_go_to_the_customers_queue(host, generation, send):
    one = {
        **standing(3, "one", 0x20, 4 * MBIT, matcher(destination=["198.51.100.3/32"])),
        "inner": True,
        "fallback": 0x22,
    }
    voice = {**traffic_class("one/voice", 0x21, 0, MBIT, LINK, matcher(dscp=[46])), "parent": 0x20, "set_dscp": 34}
    web = {**traffic_class("one/web", 0x22, 1, MBIT, LINK), "parent": 0x20}
    made = generation(queued(REST, one, voice, web))
    live.apply(made, None)

    send(5, dscp=46)
    send(4)

    assert (figures(made, "one/voice")["packets"], figures(made, "one/web")["packets"]) == (5, 4)
    assert re.search(r"class htb 1e0:21 parent 1e0:20", host.tc("class show dev eth0"))


def flood(number, until):
    """At most 40 mbit/s offered; what the queue does not take is not sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        while time.monotonic() < until:
            try:
                for _ in range(10):
                    sock.sendto(b"x" * 1000, ("198.51.100.3", number))
            except BlockingIOError:
                pass
            time.sleep(0.002)


def test_classes_get_their_rates_and_all_queues_together_the_interfaces(host, generation):
    """40 mbit/s: 16 for a alone, 16 for b and c, who are equals, 8 for the rest."""
    made = generation(EDGE)
    live.apply(made, None)
    until = time.monotonic() + 2.5
    threads = [threading.Thread(target=flood, args=(number, until)) for number in PORTS.values()]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    begin, before = time.monotonic(), live.counters(made)["eth0"]
    for thread in threads:
        thread.join()
    elapsed, after = time.monotonic() - begin, live.counters(made)["eth0"]
    got = {name: (after[name]["bytes"] - before[name]["bytes"]) * 8 / elapsed for name in PORTS}

    assert sum(got.values()) < 1.05 * LINK
    assert all(got[each["name"]] > 0.85 * each["guarantee"] for each in (A, B, C, REST))
    assert 0.85 * 16 * MBIT < got["a"] < 1.05 * 16 * MBIT, "its queue's part, not the link"
    assert 0.85 * 16 * MBIT < got["b"] + got["c"] < 1.05 * 16 * MBIT
    assert 0.85 * 8 * MBIT < got["rest"] < 1.05 * 8 * MBIT


def test_a_ceiling_that_changes_is_one_change(host, generation):
    live.apply(generation(EDGE), None)

    (line,) = live.diff(generation(queued({**A, "ceiling": 20 * MBIT}, B, C, REST)))

    assert line.startswith("~ eth0 class a ceiling 40mbit → 20mbit")


def test_a_guarantee_that_changes_is_one_change_and_one_of_each_queue(host, generation, monkeypatch):
    live.apply(generation(EDGE), None)
    made = generation(queued({**A, "guarantee": 20 * MBIT}, B, C, REST))
    written, batch = [], command.batch
    monkeypatch.setattr(command, "batch", lambda lines: (written.extend(lines), batch(lines)))

    live.apply(made, None)

    assert [line.split()[7] for line in written] == ["1de:1", "1df:1", "1e1:1", "1de:11"]
    assert {line.split()[1] for line in written} == {"change"}
    assert live.diff(made) == []


def test_a_class_that_is_added_moves_none(host, generation, send):
    live.apply(generation(queued(A, B, REST)), None)
    send(5, to=("198.51.100.3", PORTS["a"]))
    made = generation(queued(A, B, REST, standing(3, "c", 0x13, MBIT, port("c"))))

    assert [line for line in live.diff(made) if line.startswith(("+", "-"))] == [
        "+ eth0 class queue 3 2.353mbit..2.353mbit prio 0",
        "+ eth0 class c 1mbit..40mbit prio 1",
    ]
    live.apply(made, None)

    assert figures(made, "a")["packets"] == 5
    assert live.diff(made) == []


def test_a_class_that_moves_sends_what_waits_in_the_old_queue(host, generation, send, arrived):
    slow = standing(4, "rest", 0x14, 2 * MBIT, default=True)
    slow["ceiling"] = 2 * MBIT
    live.apply(generation(queued(A, slow)), None)
    send(60, 1000, to=("198.51.100.3", 7))
    made = generation(queued(A, {**slow, "queue": 2}))
    live.apply(made, None)
    send(5, to=("198.51.100.3", 7))

    assert arrived() == 65
    assert 5 <= figures(made, "rest")["packets"] < 60, "the host says a word of its own now and then"
    assert live.diff(made) == []


def test_its_own_discipline_moves_with_it(host, generation):
    """Qdiscs are called like classes, and the kernel moves none: the new one is made when the old one is gone."""
    leaf = {"kind": "pfifo", "limit": 50}
    live.apply(generation(queued({**A, "leaf": leaf}, REST)), None)
    made = generation(queued({**A, "leaf": leaf, "queue": 3}, REST))

    live.apply(made, None)

    assert live.diff(made) == []
    assert "qdisc pfifo 11: dev eth0 parent 1e0:11 limit 50p" in host.tc("qdisc show")


@pytest.mark.parametrize(("old", "new"), [(EDGE, PLAIN), (PLAIN, EDGE)], ids=["to one tree", "to queues"])
@pytest.mark.parametrize("survived", [0, 1, 2, 3])
def test_a_root_may_change_kind_and_whatever_dies_meanwhile_packets_pass(
    host, generation, send, arrived, old, new, survived
):
    live.apply(generation(old), None)
    made = generation(new)
    assert "made again, unshaped meanwhile" in live.diff(made)[0]
    for number, phase in enumerate(phases(made)[:survived]):
        phase()
        assert ("~ eth0 classifier: lets everything pass (bypass)" in live.diff(made)) == (number == 0)
        send(5, to=("198.51.100.3", 7))

    live.apply(made, None)

    assert arrived() == 5 * survived
    assert live.diff(made) == []
    assert set(statuses(made).values()) == {"ok"}
    send(4, to=("198.51.100.3", PORTS["b"]))
    assert figures(made, "b")["packets"] == 4


def test_tc_that_stops_twice_on_the_way_to_queues_leaves_packets_passing_and_says_so(
    host, generation, monkeypatch, send, arrived
):
    live.apply(generation(PLAIN), None)
    made, batch = generation(EDGE), command.batch

    def broken(lines):
        batch([*lines[:3], "class add dev eth0 parent 1de:1 classid 1de:77 htb rate nonsense"] if lines else lines)

    with monkeypatch.context() as patch, pytest.raises(Failed, match=r"rate nonsense: .*; the root .* is gone"):
        patch.setattr(command, "batch", broken)
        live.apply(made, None)
    send(5, to=("198.51.100.3", 7))

    assert arrived() == 5
    live.apply(made, None)
    assert live.diff(made) == []


@pytest.mark.parametrize("way", ["to one tree", "to queues"])
def test_what_waits_is_sent_before_the_root_changes_kind(host, generation, send, arrived, way):
    slow = {**REST, "guarantee": 2 * MBIT, "ceiling": 2 * MBIT}
    both = [queued(A, slow), shaped({**A, "queue": 1}, slow, rate=LINK)]
    old, new = both if way == "to one tree" else reversed(both)
    live.apply(generation(old), None)
    send(60, 1000, to=("198.51.100.3", 7))
    assert figures(generation(old), "rest")["queued"] > 30

    live.apply(generation(new), None)

    assert arrived() == 60


@pytest.mark.parametrize(
    "new",
    [queued(A, B, REST | {"queue": 2}, queues=2), queued(A, REST | {"queue": 3}, {**B, "queue": 3})],
    ids=["two queues less", "a queue that empties"],
)
@pytest.mark.parametrize("survived", [0, 1, 2, 3])
def test_killed_after_any_phase_the_next_apply_completes(host, generation, send, new, survived):
    live.apply(generation(EDGE), None)
    made = generation(new)
    for phase in phases(made)[:survived]:
        phase()

    send(5, to=("198.51.100.3", PORTS["a"]))
    live.apply(made, None)

    assert live.diff(made) == []
    assert figures(made, "a")["packets"] == 5
    assert set(statuses(made).values()) == {"ok"}


@pytest.mark.parametrize("survived", range(9))
def test_killed_inside_the_first_batch_the_next_apply_completes(host, generation, apply_and_die, survived):
    made = generation(EDGE)
    apply_and_die(made, survived)

    live.apply(made, None)

    assert live.diff(made) == []


def test_a_queue_that_is_not_wanted_any_more_still_passes_packets(host, generation, wire):
    """Were its tree deleted, the kernel would put nothing in its place and drop all that is sent there."""
    live.apply(generation(EDGE), None)
    live.apply(generation(queued(A, B, C, {**REST, "queue": 2}, queues=2)), None)
    live.bypass("eth0", True)
    with wire.peer.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver:
        receiver.bind(("198.51.100.3", 0))
        receiver.settimeout(2)
        for source in range(40000, 40064):  # the kernel's own hash spreads them over all four queues
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("198.51.100.2", source))
                sock.sendto(b"x", receiver.getsockname())
        assert [receiver.recv(10) for _ in range(64)] == [b"x"] * 64


@pytest.mark.parametrize(
    ("meddle", "line"),
    [
        ("qdisc del dev eth0 parent 1dd:2 handle 1df:", "+ eth0 queue 2 htb 1df:"),
        ("qdisc replace dev eth0 parent 1dd:2 pfifo_fast", "+ eth0 queue 2 htb 1df:"),
        ("class change dev eth0 parent 1df:1 classid 1df:12 htb rate 1mbit", "~ eth0 class b guarantee 1mbit → 4mbit"),
        ("class add dev eth0 parent 1e1:1 classid 1e1:99 htb rate 1mbit", "- eth0 class 1e1:99"),
        ("qdisc del dev eth0 root", "+ eth0 mq 1dd:"),
        ("qdisc add dev eth0 parent 1df:12 handle 8001: pfifo limit 3", None),
    ],
)
def test_what_a_hand_changed_is_found_and_repaired(host, generation, send, meddle, line):
    made = generation(EDGE)
    live.apply(made, None)
    host.tc(meddle)

    assert live.diff(made) == [] if line is None else [found for found in live.diff(made) if found.startswith(line)]
    live.apply(made, None)

    assert live.diff(made) == []
    send(5, to=("198.51.100.3", PORTS["b"]))
    assert figures(made, "b")["packets"] == 5


@pytest.mark.parametrize("way", ["remove", "plan"])
def test_nothing_is_left(host, generation, way):
    before = host.tc("qdisc show")
    live.apply(generation(EDGE), None)

    if way == "remove":
        live.remove()
    else:
        empty = generation()
        assert live.diff(empty) == ["- eth0 mq 1dd: with all its classes"]
        live.apply(empty, None)
        assert live.diff(empty) == []

    assert host.tc("qdisc show") == before
    assert list((paths().bpffs / "tc").iterdir()) == []


def test_more_queues_than_the_interface_has_are_refused_by_name(host, generation):
    before, made = host.tc("qdisc show"), generation(queued(A, REST, queues=5))

    (problem,) = live.problems(made)
    assert problem.startswith("eth0 has 4 transmit queues, and the policy asks for 5")
    with pytest.raises(Failed, match="4 transmit queues"):
        live.apply(made, None)

    assert host.tc("qdisc show") == before


def test_an_mq_of_somebody_else_is_left_unless_it_may_be_taken_over(host, generation):
    host.tc("qdisc add dev eth0 root handle 8001: mq")
    before = host.tc("qdisc show")
    assert live.problems(generation(EDGE)) == [
        "eth0 has a root qdisc of somebody else (mq 8001:), which is left as it is"
    ]
    live.remove()
    assert host.tc("qdisc show") == before

    made = generation({**EDGE, "adopt": True})
    assert live.diff(made)[0] == "~ eth0 mq 8001: → mq 1dd:: adopted"
    live.apply(made, None)
    assert live.diff(made) == []


def test_xps_is_emptied_for_the_classifier_and_put_back(host, generation, send):
    """By the processor that sends, it would send everything to the third queue."""
    made = generation(EDGE)
    xps(2).write_text("3")
    found = xps(2).read_text()
    assert "~ eth0 XPS: chooses tx-2 instead of the classifier" in live.diff(made)

    live.apply(made, None)
    send(5, to=("198.51.100.3", PORTS["a"]))

    assert live.diff(made) == []
    assert figures(made, "a")["packets"] == 5
    live.remove()
    assert xps(2).read_text() == found
    assert survey.ours() == set()


def test_xps_that_somebody_sets_again_is_bad_and_found(host, generation, send):
    made = generation(EDGE)
    live.apply(made, None)
    xps(2).write_text("3")

    assert statuses(made)["tc.eth0.queues"] == "bad"
    send(5, to=("198.51.100.3", PORTS["a"]))
    assert figures(made, "a")["packets"] == 0, "XPS goes before the classifier: or it need not be emptied"
    live.apply(made, None)

    assert set(statuses(made).values()) == {"ok"}


def test_xps_is_put_back_when_one_tree_takes_the_place_of_queues(host, generation):
    xps(1).write_text("1")
    found = xps(1).read_text()
    live.apply(generation(EDGE), None)
    made = generation(PLAIN)

    live.apply(made, None)

    assert live.diff(made) == []
    assert xps(1).read_text() == found
    assert txqueues.devices() == set()


def test_killed_before_xps_was_put_back_the_next_remove_does(host, generation, monkeypatch):
    xps(1).write_text("1")
    found = xps(1).read_text()
    live.apply(generation(EDGE), None)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(txqueues, "restore", lambda device: (_ for _ in ()).throw(KeyboardInterrupt))
        live.remove()

    live.remove()

    assert xps(1).read_text() == found


def test_an_interface_that_has_fewer_queues_since_is_bad_and_loses_nothing(host, generation, send, arrived):
    made = generation(EDGE)
    live.apply(made, None)
    host.run("ethtool", "-L", "eth0", "tx", "3")

    (found,) = [check for check in health.checks(made, {}) if check.name == "tc.eth0.queues"]
    assert (found.status, found.reason[:25]) == ("bad", "eth0 has 3 transmit queue")
    send(5, to=("198.51.100.3", 7))
    assert arrived() == 5


def test_an_interface_that_had_an_mq_from_the_kernel_has_it_again(host, generation):
    """As every card with queues has."""
    if command.try_link_in_empty_namespace("ifb"):
        pytest.skip("this kernel has no device here to which it gives one")
    host.run("ip", "link", "add", "wide0", "numtxqueues", "4", "type", "ifb")
    host.run("ip", "link", "set", "wide0", "up")
    before = host.tc("qdisc show dev wide0")
    assert "qdisc mq 0: root" in before
    made = generation({**EDGE, "device": "wide0"})

    live.apply(made, None)
    assert live.diff(made) == []
    live.remove()

    assert host.tc("qdisc show dev wide0") == before


def moving(number):
    """Never twice the same: the flow's class comes and goes, stands in another queue, has other rates."""
    flow = standing(1 + number % 3, f"c{number % 2}", 0x20 + number % 2, (8 + number) * MBIT // 2, port("c"))
    return queued(A, B, REST, *([flow] if number % 5 else []))


def test_no_packet_is_lost_to_changes_of_queues(host, generation, stream):
    live.apply(generation(moving(0)), None)
    made = [generation(moving(number)) for number in range(1, 31)]

    with stream(PORTS["c"]) as datagrams:
        for each in made:
            live.apply(each, None)

    assert datagrams.received == datagrams.sent > 100
    assert live.diff(made[-1]) == []


def test_a_sys_that_shows_another_namespace_is_not_believed(host, generation, monkeypatch):
    """Its eth0 is another, and so is what is written there."""
    monkeypatch.setenv("TIDEGATE_SYS", "/sys")

    (problem,) = live.problems(generation(EDGE))

    assert problem == "the queues of eth0 cannot be seen: /sys does not show this interface"


def test_a_socket_that_keeps_its_queue_when_its_class_moves_loses_nothing(host, generation, arrived):
    """The kernel remembers a connected UDP socket's queue: its packets pass beside the tree there, and are counted."""
    live.apply(generation(queued(A, REST)), None)
    made = generation(queued(A, {**REST, "queue": 2}))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("198.51.100.3", 7))
        sock.send(b"x")
        live.apply(made, None)
        before = health.baseline()
        for _ in range(20):
            sock.send(b"x")

    assert arrived() == 21
    (found,) = [check for check in health.checks(made, before) if check.name == "tc.eth0.queues"]
    assert found.figure >= 20, "and perhaps a question for a neighbor"
    assert figures(made, "rest")["packets"] < 5, "the host's own, of IPv6"


def test_a_connection_that_is_never_idle_finds_its_class_again(host, wire, generation):
    """TCP's queue is picked anew whenever nothing of it waits on this host."""
    live.apply(generation(queued(A, REST)), None)
    made = generation(queued(A, {**REST, "queue": 2}))
    with wire.peer.entered():
        server = socket.create_server(("198.51.100.3", 7))
    done = threading.Event()

    def receive():
        peer, _ = server.accept()
        with peer:
            while peer.recv(1 << 16):
                pass

    def send():
        with socket.create_connection(("198.51.100.3", 7)) as sock:
            while not done.is_set():
                sock.send(bytes(1 << 14))

    threads = [threading.Thread(target=act) for act in (receive, send)]
    with server:
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        live.apply(made, None)
        before, until = figures(made, "rest")["packets"], time.monotonic() + 5
        while figures(made, "rest")["packets"] - before < 100 and time.monotonic() < until:
            time.sleep(0.05)
        done.set()
        for thread in threads:
            thread.join()

    assert figures(made, "rest")["packets"] - before >= 100
