"""Classes in classes, chosen by address, and what else only the way out knows; told by the classes' own counters."""

import os
import socket
import struct
import sys
from pathlib import Path

import pytest

from tests.unit.tc.section import matcher, shaped, traffic_class
from tidegate.tc import classifier, live

MBIT = 1_000_000
LINK = 100 * MBIT
EF = matcher(dscp=[46])
PEER = "198.51.100.3"


def inside(customer, number, *match, **more):
    """A class of a customer."""
    return {
        **traffic_class(f"{customer['name']}/{number}", number, 1, MBIT, LINK, *match),
        "parent": customer["minor"],
        **more,
    }


def customer(name, minor, fallback, *match):
    return {**traffic_class(name, minor, 1, 10 * MBIT, LINK, *match), "inner": True, "fallback": fallback}


REST = traffic_class("rest", 0x20, 2, MBIT, LINK, default=True)


def tree(*prefixes, side="destination"):
    """A customer with voice and the rest, and everybody else with voice and the rest."""
    one = customer("one", 0x100, 0x102, *(matcher(**{side: [prefix]}) for prefix in prefixes))
    voice = traffic_class("voice", 0x10, 0, MBIT, LINK, EF)
    return shaped(voice, one, inside(one, 0x101, EF), inside(one, 0x102), REST, rate=LINK)


def packets(generation):
    return {name: figures["packets"] for name, figures in live.counters(generation)["eth0"].items()}


def gained(generation, act):
    before = packets(generation)
    act()
    return {name for name, count in packets(generation).items() if count - before[name] >= 3}


@pytest.mark.parametrize(
    ("prefix", "to"),
    [
        ("198.51.100.3/32", PEER),
        ("198.51.100.0/24", PEER),
        ("2001:db8:1::3/128", "2001:db8:1::3"),
        ("2001:db8:1::/64", "2001:db8:1::3"),
    ],
)
def test_a_customers_packets_go_to_the_customers_classes(generation, send, prefix, to):
    made = generation(tree(prefix))
    live.apply(made, None)

    assert live.diff(made) == []
    assert gained(made, lambda: send(3, to=(to, 9), dscp=46)) == {f"one/{0x101}"}
    assert gained(made, lambda: send(3, to=(to, 9))) == {f"one/{0x102}"}


def test_everybody_elses_do_not(generation, send):
    made = generation(tree("203.0.113.0/24"))
    live.apply(made, None)

    assert gained(made, lambda: send(3, dscp=46)) == {"voice"}
    assert "rest" in gained(made, lambda: send(3))


def test_a_customer_may_be_told_by_where_packets_come_from(generation, send):
    made = generation(tree("198.51.100.2/32", side="source"))
    live.apply(made, None)

    assert gained(made, lambda: send(3, dscp=46)) == {f"one/{0x101}"}


def test_the_longer_prefix_is_the_customer(generation, send):
    wide = customer("wide", 0x200, 0x201, matcher(destination=["198.51.100.0/24"]))
    near = customer("near", 0x300, 0x301, matcher(destination=["198.51.100.0/30"]))
    made = generation(shaped(wide, inside(wide, 0x201), near, inside(near, 0x301), REST, rate=LINK))
    live.apply(made, None)

    assert gained(made, lambda: send(3)) == {f"near/{0x301}"}


def test_a_customer_may_have_many_classes(generation, send):
    """More than stand beside its prefix: the others are looked up in a table."""
    one = customer("one", 0x100, 0x1FF, matcher(destination=["198.51.100.0/24"]))
    two = customer("two", 0x200, 0x2FF, matcher(destination=["198.51.100.3/32"]))
    many = [inside(each, each["minor"] + n + 1, matcher(dscp=[n])) for each in (one, two) for n in range(1, 13)]
    made = generation(shaped(one, two, *many, inside(one, 0x1FF), inside(two, 0x2FF), REST, rate=LINK))
    live.apply(made, None)

    for dscp in (1, 8, 9, 12):
        assert gained(made, lambda dscp=dscp: send(3, dscp=dscp)) == {f"two/{0x200 + dscp + 1}"}
    assert gained(made, lambda: send(3, dscp=13)) == {f"two/{0x2FF}"}


def test_what_only_customers_ask_catches_nobody_else(generation, send):
    one = customer("one", 0x100, 0x102, matcher(destination=["203.0.113.0/24"]))
    made = generation(shaped(one, inside(one, 0x101, EF), inside(one, 0x102), REST, rate=LINK))
    live.apply(made, None)

    assert "rest" in gained(made, lambda: send(3, dscp=46))
    assert packets(made)[f"one/{0x101}"] == 0


def test_a_change_of_customers_is_a_flip(generation, send):
    live.apply(generation(tree("198.51.100.3/32")), None)
    made = generation(tree("203.0.113.0/24"))

    live.apply(made, None)

    assert "rest" in gained(made, lambda: send(3))
    assert classifier.marker("eth0")


def marked(mark, count=3):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, 36, mark)  # SO_MARK
        for _ in range(count):
            sock.sendto(b"x", (PEER, 9))


def tagged(vlan, count=3, dscp=0, tos_at=18):
    """Frames with an 802.1Q tag, as a device above would send them."""
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, dscp << 2, 20, 0, 0, 64, 59, 0, bytes(4), bytes([198, 51, 100, 3]))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("eth0", 0))
        for _ in range(count):
            sock.send(b"\2" * 12 + struct.pack("!HHH", 0x8100, vlan, 0x0800) + ip)


def with_key(**key):
    chosen = traffic_class("chosen", 0x10, 1, MBIT, LINK, {**matcher(), **key})
    return shaped(chosen, REST, rate=LINK)


@pytest.mark.parametrize(
    ("key", "hit", "miss"),
    [
        ({"fwmark": [7, 8]}, lambda: marked(8), lambda: marked(9)),
        ({"vlan": [100]}, lambda: tagged(100), lambda: tagged(101)),
        ({"vlan": [100], "dscp": [46]}, lambda: tagged(100, dscp=46), lambda: tagged(100)),
    ],
)
def test_keys(generation, key, hit, miss):
    made = generation(with_key(**key))
    live.apply(made, None)

    assert gained(made, hit) == {"chosen"}
    assert "chosen" not in gained(made, miss)


def test_a_flip_forgets_the_keys_of_the_policy_before_last(generation):
    for value in (7, 8, 9):
        made = generation(with_key(fwmark=[value]))
        live.apply(made, None)

    assert "chosen" not in gained(made, lambda: marked(7))
    assert gained(made, lambda: marked(9)) == {"chosen"}


def test_a_cgroup_that_is_not_there_is_named(generation, host):
    (problem,) = live.problems(generation(with_key(cgroup="/no/such.slice")))

    assert problem.startswith("cgroup /no/such.slice is not there")


@pytest.fixture
def cgroup():
    """A group of processes of the test's own, by its path in the hierarchy."""
    roots = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
    root = next((one for one in roots if (one / "cgroup.controllers").exists()), None)
    made = root / f"tg-test-{os.getpid()}.slice" if root else None
    try:
        if made is None:
            raise OSError("no version 2 hierarchy")
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no group can be made here: {error}")
    try:
        yield made
    finally:
        made.rmdir()


def test_what_runs_in_a_cgroup_goes_to_its_class(generation, host, cgroup):
    made = generation(with_key(cgroup=f"/{cgroup.name}"))
    live.apply(made, None)

    assert gained(made, lambda: sent_from(host, cgroup)) == {"chosen"}
    assert "chosen" not in gained(made, lambda: sent_from(host, None))


def sent_from(host, cgroup):
    """Three packets of a process, in a group or not."""
    enter = f"echo $$ > {cgroup}/cgroup.procs; " if cgroup else ""
    program = f"import socket; s = socket.socket(2, 2); [s.sendto(b'x', ('{PEER}', 9)) for _ in range(3)]"
    host.run("sh", "-c", f'{enter}exec {sys.executable} -c "{program}"')


@pytest.mark.parametrize(
    ("to", "level", "option"), [(PEER, 0, socket.IP_RECVTOS), ("2001:db8:1::3", 41, socket.IPV6_RECVTCLASS)]
)
@pytest.mark.parametrize("sent", [0, 46, 63])
def test_packets_leave_with_the_dscp_of_their_class(wire, generation, to, level, option, sent):
    """ECN's two bits stay, and the receiver's stack takes the checksum."""
    made = generation(shaped({**REST, "set_dscp": 10}, rate=LINK))
    live.apply(made, None)
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    with wire.peer.entered():
        receiver = socket.socket(family, socket.SOCK_DGRAM)
    with receiver, socket.socket(family, socket.SOCK_DGRAM) as sender:
        receiver.bind((to, 9))
        receiver.settimeout(2)
        receiver.setsockopt(level, option, 1)
        sender.setsockopt(level, socket.IPV6_TCLASS if level else socket.IP_TOS, sent << 2 | 2)
        sender.sendto(b"x", (to, 9))
        _, ancillary, _, _ = receiver.recvmsg(100, 100)

    assert ancillary[0][2][0] == 10 << 2 | 2


def test_a_customers_class_sets_its_dscp_too(wire, generation):
    made = generation(tree("198.51.100.3/32"))
    live.apply(made, None)
    (shaped_,) = [tree("198.51.100.3/32")]
    shaped_["classes"] = [{**each, "set_dscp": 12} if each["minor"] == 0x102 else each for each in shaped_["classes"]]
    made = generation(shaped_)
    live.apply(made, None)
    with wire.peer.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        receiver.bind((PEER, 9))
        receiver.settimeout(2)
        receiver.setsockopt(0, socket.IP_RECVTOS, 1)
        sender.sendto(b"x", (PEER, 9))
        _, ancillary, _, _ = receiver.recvmsg(100, 100)

    assert ancillary[0][2][0] >> 2 == 12


def test_the_bypass_lets_everything_pass_beside_the_tree(generation, send, host):
    made = generation(tree("198.51.100.3/32"))
    live.apply(made, None)

    live.bypass("eth0", wanted=True)

    assert gained(made, lambda: send(5)) == set()
    assert live.diff(made) == ["~ eth0 classifier: lets everything pass (bypass)"]
    live.apply(made, None)
    assert gained(made, lambda: send(5)) == {f"one/{0x102}"}
