"""Trees coming, changing and going on a real device, and what happens when something dies or meddles meanwhile."""

import shutil
import socket
import time

import pytest

from tests.unit.tc.section import matcher, shaped, traffic_class
from tidegate.bpf.loader import MAPS_VERSION
from tidegate.host.errors import Failed
from tidegate.host.paths import paths
from tidegate.tc import classifier, clsact, command, health, live, program, survey
from tidegate.tc.change import Difference, difference
from tidegate.tc.tree import load

MBIT = 1_000_000
CONTROL = traffic_class("control", 0x11, 0, MBIT, 100 * MBIT, matcher(dscp=[48]))
WEB = traffic_class("web", 0x9C2, 1, 60 * MBIT, 100 * MBIT, matcher(destination_port=[[80, 80]]))
BULK = traffic_class("bulk", 0xFFFE, 3, 5 * MBIT, 100 * MBIT, default=True)
SLOW = traffic_class("slow", 0x77, 3, 8_000, 64_000, matcher(destination_port=[[7, 7]]))
EDGE = shaped(CONTROL, WEB, BULK)


def statuses(generation, before=None):
    return {check.name: check.status for check in health.checks(generation, before or {})}


def qdiscs(host):
    return host.tc("qdisc show")


def figures(generation, name):
    return live.counters(generation)["eth0"][name]


def phases(generation):
    (tree,) = load(generation)
    binary = generation / program.OBJECT
    found = survey.survey(tree, binary)
    return [lambda: live.grow(found), lambda: live.classify(found, binary), lambda: live.shrink(found)]


def test_a_tree_wider_than_its_link_is_warned_of(host, generation):
    """A veth says that it runs at 10 Gbit/s."""
    wide = traffic_class("bulk", 0xFFFE, 3, 5 * MBIT, 20_000 * MBIT, default=True)
    made = generation(shaped(wide, rate=20_000 * MBIT))
    live.apply(made, None)
    (found,) = [check for check in health.checks(made, {}) if check.name == "tc.eth0.speed"]
    assert (found.status, found.figure) == ("ok", 10_000 * MBIT)
    assert found.reason == "warning: 20gbit are planned, and the link of eth0 runs at 10gbit: shape below that"


def test_a_tree_as_wide_as_its_link_is_not(host, generation):
    made = generation(EDGE)
    live.apply(made, None)
    assert "tc.eth0.speed" not in statuses(made)


def test_a_tree_is_planted_and_found_as_planned(host, generation):
    made = generation(EDGE)
    assert live.problems(made) == []
    assert live.diff(made) == [
        "+ eth0 htb 1de:",
        "+ eth0 class link 100mbit..100mbit prio 0",
        "+ eth0 class control 1mbit..100mbit prio 0",
        "+ eth0 class web 60mbit..100mbit prio 1",
        "+ eth0 class bulk 5mbit..100mbit prio 3",
        "~ eth0 classifier: not attached",
    ]

    live.apply(made, None)

    assert live.diff(made) == []
    assert set(statuses(made).values()) == {"ok"}
    assert classifier.marker("eth0") == load(made)[0].marker


def test_problems_touch_nothing(host, generation):
    before = qdiscs(host)

    live.problems(generation(EDGE))

    assert qdiscs(host) == before
    assert not paths().bpffs.exists()


def test_applying_again_writes_nothing(host, generation, monkeypatch):
    made = generation(EDGE)
    live.apply(made, None)
    attached = clsact.attached(socket.if_nametoindex("eth0"), clsact.Point.EGRESS)
    monkeypatch.setattr(command, "batch", lambda lines: pytest.fail(f"wrote {lines}"))

    live.apply(made, 60)

    assert clsact.attached(socket.if_nametoindex("eth0"), clsact.Point.EGRESS) == attached


def test_a_change_keeps_backlogs_and_counters(host, generation, send):
    live.apply(generation(shaped(CONTROL, BULK, SLOW)), None)
    send(60, 1000, to=("198.51.100.3", 7))
    first = generation(shaped(CONTROL, BULK, SLOW))
    before = figures(first, "slow")
    assert before["queued"] > 50

    changed = generation(
        shaped({**CONTROL, "guarantee": 2 * MBIT}, WEB, BULK, {**SLOW, "ceiling": 72_000}, rate=90 * MBIT)
    )
    live.apply(changed, None)

    after = figures(changed, "slow")
    assert live.diff(changed) == []
    assert after["queued"] >= before["queued"] - 5
    assert after["bytes"] >= before["bytes"]
    assert after["drops"] == 0


def test_only_what_differs_is_written(host, generation, monkeypatch):
    live.apply(generation(EDGE), None)
    written, batch = [], command.batch
    monkeypatch.setattr(command, "batch", lambda lines: (written.extend(lines), batch(lines)))

    live.apply(generation(shaped({**CONTROL, "guarantee": 2 * MBIT}, WEB, BULK)), None)

    assert [" ".join(line.split()[:8]) for line in written] == ["class change dev eth0 parent 1de:1 classid 1de:11"]


def test_a_class_that_goes_sends_its_backlog_first(host, generation, send, arrived):
    quick = {**SLOW, "guarantee": 2 * MBIT, "ceiling": 2 * MBIT}
    live.apply(generation(shaped(BULK, quick)), None)
    send(60, 1000, to=("198.51.100.3", 7))
    assert figures(generation(shaped(BULK, quick)), "slow")["queued"] > 30

    live.apply(generation(shaped(BULK)), None)

    assert arrived() == 60


def test_the_names_of_what_goes(host, generation):
    old = generation(EDGE)
    live.apply(old, None)
    (paths().state / "running").symlink_to(old)

    assert live.diff(generation(shaped(WEB, BULK))) == [
        "- eth0 class control",
        f"~ eth0 classifier: holds {load(old)[0].marker}, not {load(generation(shaped(WEB, BULK)))[0].marker}",
    ]


@pytest.mark.parametrize(
    ("meddle", "line"),
    [
        (
            "class change dev eth0 parent 1de:1 classid 1de:9c2 htb rate 1mbit",
            "~ eth0 class web guarantee 1mbit → 60mbit",
        ),
        ("class del dev eth0 classid 1de:9c2", "+ eth0 class web 60mbit..100mbit prio 1"),
        ("class add dev eth0 parent 1de:1 classid 1de:99 htb rate 1mbit", "- eth0 class 1de:99"),
        ("qdisc del dev eth0 root", "+ eth0 htb 1de:"),
        ("filter del dev eth0 egress", "~ eth0 classifier: not attached"),
        ("qdisc del dev eth0 clsact", "~ eth0 classifier: not attached"),
        (
            "filter replace dev eth0 egress pref 478 handle 1 bpf bytecode '1,6 0 0 0,' direct-action",
            "~ eth0 classifier: not attached",
        ),
    ],
)
def test_what_a_hand_changed_is_found_and_repaired(host, generation, meddle, line):
    made = generation(EDGE)
    live.apply(made, None)
    host.tc(meddle)

    assert [found for found in live.diff(made) if found.startswith(line)]
    assert "bad" in statuses(made).values()
    live.apply(made, None)

    assert live.diff(made) == []
    assert set(statuses(made).values()) == {"ok"}


@pytest.mark.parametrize("survived", [0, 1, 2, 3])
def test_killed_after_any_phase_the_next_apply_completes(host, generation, send, survived):
    old, new = generation(EDGE), generation(shaped(WEB, {**BULK, "priority": 5}, SLOW))
    live.apply(old, None)
    for phase in phases(new)[:survived]:
        phase()

    send(5, to=("198.51.100.3", 80))
    live.apply(new, None)

    assert live.diff(new) == []
    assert figures(new, "web")["packets"] == 5


@pytest.mark.parametrize("survived", range(6))
def test_killed_inside_the_first_batch_the_next_apply_completes(host, generation, apply_and_die, survived):
    made = generation(EDGE)
    apply_and_die(made, survived)

    live.apply(made, None)

    assert live.diff(made) == []


def test_on_the_way_to_the_first_tree_packets_pass(host, generation, send, arrived):
    (tree,) = load(generation(EDGE))
    lines = ["qdisc add dev eth0 root handle 1de: htb default 0", *difference(tree, {}).growing()]

    for line in lines:
        command.batch([line])
        send(1, to=("198.51.100.3", 7))

    assert arrived() == len(lines)


@pytest.mark.parametrize("way", ["remove", "plan"])
def test_nothing_is_left(host, generation, way):
    before = qdiscs(host)
    live.apply(generation(EDGE), None)

    if way == "remove":
        live.remove()
    else:
        empty = generation()
        assert live.diff(empty) == ["- eth0 htb 1de: with all its classes"]
        assert statuses(empty) == {"tc": "bad"}
        live.apply(empty, None)
        assert live.diff(empty) == []
        assert statuses(empty) == {"tc": "ok"}

    assert qdiscs(host) == before
    assert list((paths().bpffs / "tc").iterdir()) == []


def test_removing_twice_or_from_nothing_is_fine(host):
    live.remove()
    live.remove()


def test_a_root_qdisc_of_somebody_else_is_named_and_left(host, generation):
    host.tc("qdisc add dev eth0 root handle 8001: tbf rate 1gbit burst 1mb latency 1s")
    before, made = qdiscs(host), generation(EDGE)

    assert live.problems(made) == ["eth0 has a root qdisc of somebody else (tbf 8001:), which is left as it is"]
    with pytest.raises(Failed, match="somebody else"):
        live.apply(made, None)
    live.remove()

    assert qdiscs(host) == before


def test_filters_of_others_stay_before_and_after_ours(host, generation):
    def filters():
        return [host.tc(f"filter show dev eth0 {way}") for way in ("ingress", "egress")]

    host.tc("qdisc add dev eth0 clsact")
    for place in ("ingress pref 1", "egress pref 1", "egress pref 900"):
        host.tc(f"filter add dev eth0 {place} protocol all bpf bytecode '1,6 0 0 4294967295,' direct-action")
    before = filters()

    live.apply(generation(EDGE), None)
    during = filters()[1]
    live.remove()

    assert all(f"pref {number} " in during for number in (1, clsact.PRIORITY, 900))
    assert filters() == before


def test_an_empty_clsact_of_somebody_else_stays(host, generation):
    host.tc("qdisc add dev eth0 clsact")
    before = qdiscs(host)

    live.apply(generation(EDGE), None)
    live.remove()

    assert qdiscs(host) == before


def test_a_device_that_went_and_came_back_gets_its_tree_again(host, wire, generation, send):
    made = generation(EDGE)
    live.apply(made, None)
    host.run("ip", "link", "delete", "eth0")

    assert live.problems(made) == ["interface eth0 is not there"]
    with pytest.raises(Failed, match="interface eth0 is not there"):
        live.apply(made, None)
    assert statuses(made) == {"tc.eth0": "unknown"}

    host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", wire.peer.name)
    host.run("ip", "address", "add", "198.51.100.2/31", "dev", "eth0")
    host.run("ip", "link", "set", "eth0", "up")
    live.apply(made, None)

    assert live.diff(made) == []
    assert set(statuses(made).values()) == {"ok"}


def test_neighbor_discovery_passes_beside_a_full_default_class(host, wire, generation, send):
    crumb = traffic_class("crumb", 0x20, 7, 8_000, 8_000, default=True)
    live.apply(generation(shaped(crumb)), None)
    send(50, 1000)

    host.run("ip", "neigh", "flush", "nud", "permanent", "dev", "eth0")
    host.run("ip", "neigh", "flush", "dev", "eth0")
    send(1, to=("198.51.100.3", 7))
    send(1, to=("2001:db8:1::3", 7))

    # The datagrams wait behind 50 kB at 8 kbit/s; the questions for the neighbors' addresses must not.
    for _ in range(100):
        known = host.run("ip", "neigh", "show", "dev", "eth0", "nud", "reachable")
        if "198.51.100.3 " in known and "2001:db8:1::3 " in known:
            return
        time.sleep(0.02)
    pytest.fail(f"no answer from the neighbors: {host.run('ip', 'neigh', 'show')}")


def test_one_interface_that_fails_does_not_keep_the_others_waiting(host, generation):
    made = generation({**EDGE, "device": "absent0"}, EDGE)

    with pytest.raises(Failed, match=r"^absent0: interface absent0 is not there$"):
        live.apply(made, None)

    assert [line for line in live.diff(made) if " eth0 " in line] == []


def test_two_interfaces_have_tables_of_their_own(host, generation, send):
    host.run("ip", "link", "add", "eth1.100", "type", "veth", "peer", "name", "other1")
    host.run("ip", "link", "set", "eth1.100", "up")
    made = generation(EDGE, {**shaped(WEB, BULK), "device": "eth1.100"})

    live.apply(made, None)
    assert live.diff(made) == []
    live.apply(generation(EDGE), None)

    assert classifier.devices() == {"eth0"}
    assert "htb 1de: dev eth1.100" not in qdiscs(host)


def test_a_new_object_replaces_the_program_in_one_step(host, generation, send):
    made = generation(EDGE)
    live.apply(made, None)
    newer = generation(EDGE)
    with (newer / program.OBJECT).open("ab") as file:
        file.write(b"\0")  # another digest, the same program

    assert live.diff(newer) == ["~ eth0 classifier: another program is attached in its place"]
    live.apply(newer, None)

    assert live.diff(newer) == []
    assert len(list((paths().bpffs / "tc" / "eth0" / MAPS_VERSION).glob("program-*"))) == 1
    send(3, to=("198.51.100.3", 80))
    assert figures(newer, "web")["packets"] == 3


def test_what_tc_says_reaches_the_reader(host, generation, monkeypatch):
    made = generation(EDGE)
    host.tc("qdisc add dev eth0 root handle 1de: htb")
    host.tc("class add dev eth0 parent 1de: classid 1de:99 htb rate 1mbit")
    host.tc("class add dev eth0 parent 1de:99 classid 1de:98 htb rate 1mbit")
    monkeypatch.setattr(Difference, "shrinking", lambda self: ["class del dev eth0 classid 1de:99"])

    with pytest.raises(Failed, match=r"^eth0: tc class del dev eth0 classid 1de:99: .*(busy|in use)"):
        live.apply(made, None)


def test_a_missing_tc_is_named(host, generation, monkeypatch, tmp_path):
    made = generation(EDGE)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        patch.setattr(command, "_PATH", str(tmp_path))
        assert live.problems(made) == ["tc is not installed: package iproute2"]


def test_what_the_kernel_lacks_is_named_and_nothing_is_touched(host, generation, monkeypatch):
    """This kernel has HTB, so it is asked for what no kernel has: it refuses as one without HTB would."""
    made = generation(EDGE)
    before = qdiscs(host)
    monkeypatch.setattr(live, "_PROBE", [line.replace("htb", "nohtb") for line in live._PROBE])
    (why,) = live.problems(made)
    assert why.startswith("the kernel cannot shape: tc qdisc add dev lo root handle 1de: nohtb")
    assert qdiscs(host) == before


def test_a_missing_object_is_named(host, generation):
    made = generation(EDGE)
    (made / program.OBJECT).unlink()

    assert "tc.bpf.o is missing" in live.problems(made)[0]
    with pytest.raises(Failed, match=r"tc\.bpf\.o"):
        live.apply(made, None)


@pytest.mark.parametrize(
    ("matchers", "told"),
    [
        ([matcher(protocol=number) for number in range(65)], "65 matchers where at most 64 fit"),
        ([matcher(source=["198.51.100.300/24"])], "'198.51.100.300/24' is not a prefix"),
    ],
)
def test_what_the_classifier_cannot_hold_is_named(host, generation, matchers, told):
    made = generation(shaped({**BULK, "match": matchers}))

    assert [problem for problem in live.problems(made) if told in problem]


def test_an_object_the_kernel_refuses_is_named(host, generation):
    made = generation(EDGE)
    shutil.copy("/bin/true", made / program.OBJECT)

    assert "BPF object" in live.problems(made)[0]


def test_health_counts_from_the_baseline(host, generation, send):
    made = generation(EDGE)
    live.apply(made, None)
    send(3, 1000, to=("198.51.100.3", 80))
    before = health.baseline()
    send(2, 1000, to=("198.51.100.3", 80))

    (web,) = [check for check in health.checks(made, before) if check.name == "tc.eth0.class.web"]

    assert web.status == "ok"
    assert web.figure == 2 * (1000 + 8 + 20 + 14)
    assert web.reason == "web 60mbit..100mbit prio 1: 2084 bytes sent, 0 packets dropped, 0 waiting"
