"""Which class a forwarded packet belongs to may hang on the interface by which it came in."""

import socket
import time

import pytest

from tests.unit.tc.section import matcher, shaped, traffic_class
from tidegate.tc import live

LINK = 100_000_000
REST = traffic_class("rest", 0x20, 2, 8_000, LINK, default=True)


def tree(*devices, **conditions):
    match = {**matcher(**conditions), "from_devices": list(devices)}
    return shaped(traffic_class("transit", 0x10, 1, 8_000, LINK, match), REST, rate=LINK)


@pytest.fixture
def inside(host, wire, namespace):
    """A namespace behind ``lan0`` of the host, which forwards for it; a function that sends from there to the peer."""
    lan = namespace()

    def connect():
        host.run("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns", lan.name)
        host.run("ip", "address", "add", "203.0.113.1/24", "dev", "lan0")
        host.run("ip", "link", "set", "lan0", "up")
        lan.run("ip", "address", "add", "203.0.113.2/24", "dev", "eth0")
        lan.run("ip", "link", "set", "eth0", "up")
        lan.run("ip", "route", "add", "default", "via", "203.0.113.1")

    connect()
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")

    def send(count):
        with lan.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            for _ in range(count):
                sock.sendto(b"x" * 100, ("198.51.100.3", 9))

    send.connect = connect
    return send


def transit(generation):
    return live.counters(generation)["eth0"]["transit"]["packets"]


def settled(generation, count):
    """The class's packets, once they are that many: a forwarded packet may wait for a neighbor's address."""
    for _ in range(100):
        if transit(generation) >= count:
            break
        time.sleep(0.02)
    return transit(generation)


def test_what_came_in_by_it_is_matched_and_what_the_host_sends_is_not(generation, inside, send):
    made = generation(tree("lan0"))
    live.apply(made, None)
    assert live.diff(made) == []

    send(4)
    assert transit(made) == 0
    inside(3)
    assert settled(made, 3) == 3


def test_what_came_in_by_another_is_not(generation, inside):
    made = generation(tree("lo"))
    live.apply(made, None)

    inside(3)

    assert settled(made, 1) == 0


def test_other_conditions_must_hold_too(generation, inside):
    made = generation(tree("lan0", destination_port=[[10, 10]]))
    live.apply(made, None)

    inside(3)

    assert settled(made, 1) == 0


def test_an_interface_that_is_not_there_is_named(generation, host):
    (problem,) = live.problems(generation(tree("absent0")))

    assert problem == "interface absent0 is not there, by which packets of a class are to come in"


def test_an_interface_that_went_and_came_back_is_known_by_its_new_number(generation, inside, host):
    made = generation(tree("lan0"))
    live.apply(made, None)
    host.run("ip", "link", "delete", "lan0")
    assert live.diff(made) == [
        "~ eth0 classifier: interface lan0 is not there, by which packets of a class are to come in"
    ]
    inside.connect()
    assert live.diff(made) == ["~ eth0 classifier: knows an interface by a number it no longer has"]

    live.apply(made, None)

    assert live.diff(made) == []
    inside(3)
    assert settled(made, 3) == 3
