"""The filter on a real interface: applied, confirmed, changed, gone back from, refused, removed."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time

import pytest

from tidegate.bpf import libbpf
from tidegate.bpf.loader import pinned_maps
from tidegate.bpf.slots import Slots
from tidegate.host.check import worst
from tidegate.host.errors import Failed, Refused
from tidegate.xdp import attachment, health, live

ICMP, TCP, UDP = 1, 6, 17


@pytest.fixture
def here(wire):
    """This process in the host's namespace."""
    with wire.host.entered():
        yield wire


def ping(wire, family: int = 4) -> bool:
    """Whether the peer gets an answer from the host."""
    target = "198.51.100.2" if family == 4 else "2001:db8:1::2"
    command = wire.peer.command("ping", f"-{family}", "-c", "1", "-W", "0.3", target)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def listening(namespace, port: int):
    """A TCP listener in the peer's (or the host's) namespace; yields where the host finds the peer's."""
    with namespace.entered():
        listener = socket.create_server(("0.0.0.0", port))
    with listener:
        yield ("198.51.100.3", port)


def connects(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=0.5).close()
    except OSError:
        return False
    return True


def in_force() -> str | None:
    with pinned_maps(attachment.maps_directory()) as maps:
        slots = Slots(maps)
        return slots.marker(slots.in_force)


def statuses(generation) -> dict[str, str]:
    return {check.name: check.status for check in health.checks(generation, {})}


def test_a_rule_drops_real_packets_and_counts_them(here, generation, rule):
    staged = generation(rule("drop", "no-ping", ("eth0",), protocol=ICMP))
    assert ping(here)
    assert live.problems(staged) == []
    assert live.diff(staged) == ["+ attach to eth0 (native)", "+ rule no-ping: drop icmp on eth0"]
    live.apply(staged, timeout=None)
    assert not ping(here)
    assert ping(here, 6), "nothing was said about ICMPv6"
    assert live.rule_counters()["no-ping"].packets == 1
    assert live.rule_counters()["no-ping"].bytes == 98
    assert live.totals()["dropped"].packets == 1
    assert live.diff(staged) == []
    assert worst(health.checks(staged, {})) == "ok"


def test_asking_touches_nothing(here, generation, rule, machine):
    staged = generation(rule("drop", devices=("eth0",), protocol=ICMP))
    live.problems(staged)
    live.diff(staged)
    assert worst(health.checks(staged, {})) == "bad"
    assert not attachment.root().exists()
    assert ping(here)


def test_applying_twice_changes_nothing(here, generation, rule):
    staged = generation(rule("drop", devices=("eth0",), protocol=ICMP))
    live.apply(staged, timeout=None)
    before = attachment.attachments()
    live.apply(staged, timeout=30)
    live.apply(staged, timeout=None)
    assert attachment.attachments() == before
    assert live.diff(staged) == []


def test_the_kernel_goes_back_by_itself(here, generation, rule):
    """The dead-man in the data path: no process of ours does anything after ``apply``."""
    first = generation(rule("drop", "no-udp", ("eth0",), protocol=UDP))
    second = generation(rule("drop", "no-ping", ("eth0",), protocol=ICMP))
    live.apply(first, timeout=None)
    live.apply(second, timeout=1)
    assert not ping(here)
    assert "xdp.rules" in statuses(second)
    time.sleep(1.1)
    assert ping(here)
    assert in_force() == json.loads((first / "xdp.json").read_text())["marker"]
    with pytest.raises(Failed, match="nothing to confirm"):
        live.confirm(second)
    assert live.diff(first) == []


def test_the_first_policy_of_all_ends_by_itself_too(here, generation, rule):
    live.apply(generation(rule("drop", devices=("eth0",), protocol=ICMP)), timeout=1)
    assert not ping(here)
    time.sleep(1.1)
    assert ping(here)


def test_confirmed_in_time_it_stays(here, generation, rule):
    staged = generation(rule("drop", devices=("eth0",), protocol=ICMP))
    live.apply(staged, timeout=1)
    assert any("for good" in line for line in live.diff(staged))
    live.confirm(staged)
    time.sleep(1.1)
    assert not ping(here)
    assert live.diff(staged) == []


def test_going_back_fills_nothing(here, generation, rule):
    first = generation(rule("drop", "no-udp", ("eth0",), source=["203.0.113.0/24"]))
    second = generation(rule("drop", "no-ping", ("eth0",), protocol=ICMP))
    live.apply(first, timeout=None)
    with pinned_maps(attachment.maps_directory()) as maps:
        before = libbpf.map_lookup(maps["source4"], bytes(4), 4), libbpf.map_lookup(maps["source4"], b"\1\0\0\0", 4)
    live.apply(second, timeout=60)
    live.apply(first, timeout=None)
    with pinned_maps(attachment.maps_directory()) as maps:
        after = libbpf.map_lookup(maps["source4"], bytes(4), 4), libbpf.map_lookup(maps["source4"], b"\1\0\0\0", 4)
        assert Slots(maps).pending is None
    assert after == before
    assert ping(here)


def test_a_change_while_another_waits_goes_back_first(here, generation, rule):
    """The way back from the third generation is the confirmed first, not the second that nobody confirmed."""
    first = generation(rule("drop", "no-udp", ("eth0",), protocol=UDP))
    live.apply(first, timeout=None)
    live.apply(generation(rule("drop", "no-ping", ("eth0",), protocol=ICMP)), timeout=60)
    live.apply(generation(rule("drop", "nothing", ("eth0",), protocol=ICMP)), timeout=1)
    time.sleep(1.1)
    assert ping(here)
    assert live.diff(first) == []


def test_a_diff_names_what_changes(here, generation, rule):
    live.apply(
        generation(rule("drop", "a", ("eth0",), source=["10.0.0.0/8"]), rule("drop", "b", ("eth0",), dscp=[9])),
        timeout=None,
    )
    changed = generation(
        rule("drop", "c", ("eth0",), protocol=TCP, destination_port=[[22, 22]], source=["192.0.2.0/24", "10.0.0.0/8"]),
        rule("allow", "a", ("eth0",), source=["10.0.0.0/8"]),
    )
    assert live.diff(changed) == [
        "- rule b: drop with DSCP 9 on eth0",
        "+ rule c: drop tcp from 2 prefixes to port 22 on eth0",
        "~ rule a: drop from 10.0.0.0/8 on eth0 → allow from 10.0.0.0/8 on eth0",
    ]


def test_management_gets_through_whatever_the_policy_says(here, generation, rule):
    """The pre-flight tries single packets: a rule on another DSCP escapes it, and still cannot cut BGP."""
    cut = generation(rule("drop", devices=("eth0",), protocol=TCP, dscp=[0]), neighbors=("198.51.100.3",))
    assert live.problems(cut) == []
    live.apply(cut, timeout=None)
    with listening(here.peer, 179) as bgp, listening(here.peer, 80) as web:
        assert connects(bgp)
        assert not connects(web)
    assert live.totals()["exempted"].packets >= 1


def test_the_allow_list_grows_at_once_and_shrinks_when_confirmed(here, generation, rule):
    theirs = "198.51.100.3 protocol 6, their port 179"
    live.apply(generation(rule("drop", devices=("eth0",), protocol=UDP), neighbors=("198.51.100.3",)), timeout=None)
    assert theirs in live.allow_list()
    other = generation(
        rule("drop", devices=("eth0",), protocol=UDP), neighbors=("198.51.100.9",), masters=("192.0.2.1",)
    )
    live.apply(other, timeout=60)
    assert theirs in live.allow_list()
    live.confirm(other)
    assert live.allow_list() == [
        "192.0.2.1 protocol 6, their port 4505",
        "192.0.2.1 protocol 6, their port 4506",
        "198.51.100.9 protocol 6, our port 179",
        "198.51.100.9 protocol 6, their port 179",
    ]


def test_an_open_ssh_session_is_spared(here, generation, rule):
    with contextlib.ExitStack() as stack:
        stack.enter_context(listening(here.host, 22))
        with here.peer.entered():
            stack.enter_context(socket.create_connection(("198.51.100.2", 22), timeout=2))
        live.apply(generation(rule("drop", devices=("eth0",), protocol=UDP)), timeout=None)
        assert live.allow_list() == ["198.51.100.3 protocol 6, our port 22"]


@pytest.mark.parametrize(
    ("conditions", "flow"),
    [
        ({"protocol": TCP, "source_port": [[179, 179]]}, "BGP from 198.51.100.3 (their port 179)"),
        ({"source": ["198.51.100.0/24"]}, "BGP from 198.51.100.3"),
        ({"protocol": 58}, "neighbour discovery"),
        ({"source": ["192.0.2.1/32"]}, "Salt master 192.0.2.1"),
    ],
)
def test_a_rule_that_would_cut_the_host_off_is_refused(here, generation, rule, conditions, flow):
    good = generation(rule("drop", "no-udp", ("eth0",), protocol=UDP))
    live.apply(good, timeout=None)
    bad = generation(
        rule("drop", "too-much", ("eth0",), **conditions), neighbors=("198.51.100.3",), masters=("192.0.2.1",)
    )
    problems = live.problems(bad)
    assert any("'too-much'" in problem and flow in problem and "allow" in problem for problem in problems)
    with pytest.raises(Refused, match="too-much"):
        live.apply(bad, timeout=60)
    assert live.diff(good) == []


def test_the_way_back_is_never_refused(here, generation, rule):
    """What was proven may drop somebody who has come since; the pre-flight would say so, and must not be asked."""
    staged = generation(rule("drop", devices=("eth0",), source=["198.51.100.0/24"]), neighbors=("198.51.100.3",))
    with pytest.raises(Refused):
        live.apply(staged, timeout=60)
    live.apply(staged, timeout=None)
    with listening(here.peer, 179) as bgp:
        assert connects(bgp)


def test_an_allow_before_it_makes_it_good(here, generation, rule):
    staged = generation(
        rule("allow", "bgp", ("eth0",), source=["198.51.100.3/32"], protocol=TCP),
        rule("allow", "nd", ("eth0",), protocol=58),
        rule("drop", "rest", ("eth0",)),
        neighbors=("198.51.100.3",),
    )
    assert live.problems(staged) == []
    live.apply(staged, timeout=None)
    assert not ping(here)


def test_an_absent_interface_is_named(here, generation, rule):
    """... and does not keep the others from being filtered, when it is found out too late to refuse."""
    staged = generation(rule("drop", devices=("a9", "eth0"), protocol=ICMP), devices=("a9", "eth0"))
    assert live.problems(staged) == ["interface a9 (if-a9) is not on this host"]
    with pytest.raises(Failed, match="interface a9 is not on this host"):
        live.apply(staged, timeout=60)
    assert not ping(here)


def test_another_program_is_named_and_left_alone(here, generation, rule, objects, machine):
    mount = machine / "bpf"
    subprocess.run(
        ["bpftool", "prog", "load", objects / "xdp.bpf.o", mount / "theirs"], check=True, capture_output=True
    )
    theirs = libbpf.pinned(mount / "theirs")
    link = libbpf.link_xdp(theirs, socket.if_nametoindex("eth0"), libbpf.XDP_NATIVE)
    libbpf.pin(link, mount / "their-link")
    number = libbpf.program_info(theirs).id
    staged = generation(rule("drop", devices=("eth0",), protocol=ICMP))
    assert live.problems(staged) == [
        f"eth0 already runs an XDP program that is not Tidegate's: tidegate_filter (id {number}, native); "
        "it is left alone: detach it, or take the interface out of filtering"
    ]
    with pytest.raises(Failed, match="eth0"):
        live.apply(staged, timeout=60)
    live.remove()
    assert libbpf.xdp_attached(libbpf.link_info(link).ifindex) == {"native": number}


def test_native_mode_is_never_downgraded(here, generation, rule):
    here.host.run("ip", "link", "add", "br0", "type", "bridge")
    staged = generation(rule("drop", devices=("br0",)), devices=("br0",))
    assert any("native mode" in problem for problem in live.problems(staged))
    with pytest.raises(Failed, match="br0 does not take an XDP program in native mode"):
        live.apply(staged, timeout=60)


def test_generic_mode_if_the_policy_says_so(here, generation, rule):
    staged = generation(rule("drop", devices=("eth0",), protocol=ICMP), mode="generic")
    live.apply(staged, timeout=None)
    assert not ping(here)
    assert attachment.attachments()["eth0"].mode == "generic"
    native = generation(rule("drop", devices=("eth0",), protocol=ICMP), mode="native")
    assert live.diff(native)[0] == "~ attach to eth0: generic → native"
    live.apply(native, timeout=None)
    assert attachment.attachments()["eth0"].mode == "native"
    assert worst(health.checks(native, {})) == "ok"


def test_jumbo_frames(here, generation, rule):
    for end in (here.host, here.peer):
        end.run("ip", "link", "set", "eth0", "mtu", "9000")
    staged = generation(rule("drop", devices=("eth0",), protocol=UDP))
    assert live.problems(staged) == []
    live.apply(staged, timeout=None)
    here.peer.run("ping", "-c", "1", "-W", "1", "-s", "8000", "-M", "do", "198.51.100.2")


def test_a_device_that_is_made_anew_is_attached_again(here, generation, rule):
    staged = generation(rule("drop", devices=("eth0",), protocol=ICMP))
    live.apply(staged, timeout=None)
    here.host.run("ip", "link", "delete", "eth0")
    assert "is not on this host" in live.problems(staged)[0]
    here.host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", here.peer.name)
    assert statuses(staged)["xdp.eth0.attached"] == "bad"
    assert live.diff(staged) == ["+ attach to eth0 (native)"]
    live.apply(staged, timeout=None)
    assert worst(health.checks(staged, {})) == "ok"
    assert live.diff(staged) == []


def test_device_names_with_dots(here, generation, rule):
    here.host.run("ip", "link", "set", "eth0", "down")
    here.host.run("ip", "link", "set", "eth0", "name", "eth0.100")
    here.host.run("ip", "link", "set", "eth0.100", "up")
    staged = generation(rule("drop", devices=("eth0.100",)), devices=("eth0.100",))
    live.apply(staged, timeout=None)
    assert list(attachment.attachments()) == ["eth0.100"]
    assert live.diff(staged) == []


def test_an_interface_that_is_no_longer_ours_is_let_go_when_the_change_is_confirmed(here, generation, rule):
    here.host.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth2")
    both = generation(rule("drop", devices=("eth0", "eth1"), protocol=ICMP), devices=("eth0", "eth1"))
    one = generation(rule("drop", devices=("eth1",), protocol=ICMP), devices=("eth1",))
    live.apply(both, timeout=None)
    assert live.diff(one)[0] == "- detach from eth0"
    live.apply(one, timeout=60)
    assert set(attachment.attachments()) == {"eth0", "eth1"}
    assert ping(here), "the rules of the new generation are for eth1 alone"
    live.confirm(one)
    assert set(attachment.attachments()) == {"eth1"}
    assert live.diff(one) == []


def test_nothing_to_filter_means_nothing_of_ours(here, generation, rule):
    nothing = generation(devices=())
    assert live.problems(nothing) == [] and live.diff(nothing) == []
    live.apply(nothing, timeout=60)
    assert not attachment.root().exists()
    live.apply(generation(rule("drop", devices=("eth0",), protocol=ICMP)), timeout=None)
    assert live.diff(nothing) == ["- detach from eth0", "- maps and programs"]
    live.apply(nothing, timeout=60)
    assert ping(here)
    live.confirm(nothing)
    assert not attachment.root().exists()
    assert worst(health.checks(nothing, {})) == "ok"


def test_remove_leaves_nothing(here, generation, rule):
    live.apply(generation(rule("drop", devices=("eth0",), source=["10.0.0.0/8"])), timeout=60)
    live.remove()
    assert ping(here)
    assert not attachment.root().exists()
    assert "xdp" not in here.host.run("ip", "link", "show", "eth0")
    live.remove()


def test_a_new_program_replaces_the_old_one_and_counters_stay(here, generation, rule, monkeypatch):
    staged = generation(rule("drop", "no-ping", ("eth0",), protocol=ICMP))
    live.apply(staged, timeout=None)
    ping(here)
    old = attachment.attachments()["eth0"].program
    with (staged / "xdp.bpf.o").open("ab") as file:
        file.write(b"\0")  # another digest, the same program
    assert live.diff(staged)[0].startswith("~ program on eth0: replaced")
    assert statuses(staged)["xdp.eth0.attached"] == "bad"
    live.apply(staged, timeout=None)
    assert attachment.attachments()["eth0"].program != old
    assert live.rule_counters()["no-ping"].packets == 1
    assert worst(health.checks(staged, {})) == "ok"
    assert len(list((attachment.root() / "programs").iterdir())) == 2


@pytest.mark.parametrize("content", ["", "{", "{}", '{"marker": "00", "interfaces": []}'])
def test_a_damaged_generation_changes_nothing(here, generation, rule, content):
    good = generation(rule("drop", devices=("eth0",), protocol=ICMP))
    live.apply(good, timeout=None)
    bad = generation(rule("drop", "x", ("eth0",)))
    (bad / "xdp.json").write_text(content)
    assert "stage the generation again" in live.problems(bad)[0]
    for touch in (lambda: live.apply(bad, 60), lambda: live.confirm(bad), lambda: live.diff(bad)):
        with pytest.raises(Refused, match="stage the generation again"):
            touch()
    assert live.diff(good) == []


def test_health_counts_what_was_dropped_since(here, generation, rule):
    staged = generation(rule("drop", devices=("eth0",), protocol=ICMP))
    live.apply(staged, timeout=None)
    ping(here)
    before = health.baseline()
    ping(here)
    dropped = next(check for check in health.checks(staged, before) if check.name == "xdp.counters")
    assert dropped.figure == 1
