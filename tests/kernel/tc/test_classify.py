"""Which class a packet lands in, told by the classes' own counters."""

import socket

import pytest

from tests.unit.tc.section import matcher, shaped, traffic_class
from tidegate.tc import live

LINK = 1_000_000_000
OTHER, V6 = ("198.51.100.3", 9), ("2001:db8:1::3", 9)


def tree(*matchers):
    chosen = traffic_class("chosen", 0x10, 1, LINK // 4, LINK, *matchers)
    return shaped(chosen, traffic_class("rest", 0x20, 2, LINK // 4, LINK, default=True), rate=LINK)


def packets(generation):
    return {name: figures["packets"] for name, figures in live.counters(generation)["eth0"].items()}


@pytest.mark.parametrize(
    ("condition", "hit", "miss"),
    [
        ({"dscp": [46, 48]}, {"dscp": 46}, {"dscp": 10}),
        ({"dscp": [46]}, {"dscp": 46, "to": V6}, {"dscp": 0, "to": V6}),
        ({"destination_port": [[9, 9]]}, {"to": OTHER}, {"to": (OTHER[0], 10)}),
        ({"destination_port": [[1000, 2000]]}, {"to": (V6[0], 2000)}, {"to": (V6[0], 2001)}),
        ({"source_port": [[5000, 5000]]}, {"source": ("", 5000)}, {"source": ("", 5001)}),
        ({"protocol": 17}, {}, None),
        ({"protocol": 6}, None, {}),
        ({"destination": ["198.51.100.0/24"]}, {}, {"to": V6}),
        ({"destination": ["2001:db8::/32"]}, {"to": V6}, {}),
        ({"source": ["198.51.100.2/32", "2001:db8::/32"]}, {"to": V6}, None),
        ({"source": ["192.0.2.0/24"]}, None, {}),
        ({"source": []}, None, {}),
        ({"protocol": 17, "destination_port": [[9, 9]], "dscp": [46]}, {"dscp": 46}, {"dscp": 45}),
    ],
)
def test_conditions(generation, send, condition, hit, miss):
    made = generation(tree(matcher(**condition)))
    live.apply(made, None)

    for number, (packet, landing) in enumerate([(hit, "chosen"), (miss, "rest")], start=7):
        if packet is not None:
            before = packets(made)
            send(number, **packet)
            gained = {name: count - before[name] for name, count in packets(made).items()}
            assert gained["chosen"] == (number if landing == "chosen" else 0)
            assert gained[landing] >= number, "the host's own IPv6 chatter is in the rest"


def test_the_first_class_that_matches_wins(generation, send):
    first = traffic_class("first", 0x30, 7, 8_000, LINK, matcher(dscp=[46]))
    second = traffic_class("second", 0x10, 0, 8_000, LINK, matcher(protocol=17))
    rest = traffic_class("rest", 0x20, 2, 8_000, LINK, default=True)
    made = generation(shaped(first, second, rest, rate=LINK))
    live.apply(made, None)

    send(3, dscp=46)
    send(5)

    assert {"first": 3, "second": 5}.items() <= packets(made).items()


def test_a_flip_sends_the_next_packet_to_the_other_class(generation, send):
    old, new = generation(tree(matcher(dscp=[46]))), generation(tree(matcher(dscp=[10])))
    live.apply(old, None)
    send(2, dscp=46)

    live.apply(new, None)
    send(3, dscp=46)

    assert packets(new)["chosen"] == 2
    assert packets(new)["rest"] >= 3


def test_the_default_class_can_become_another_while_the_tree_stands(host, generation, send):
    def tree_with_default(name):
        return shaped(
            traffic_class("a", 0x10, 1, 8_000, LINK, default=name == "a"),
            traffic_class("b", 0x20, 1, 8_000, LINK, default=name == "b"),
            rate=LINK,
        )

    live.apply(generation(tree_with_default("a")), None)
    send(2)
    made = generation(tree_with_default("b"))
    live.apply(made, None)
    send(3)

    assert packets(made)["a"] >= 2
    assert packets(made)["b"] >= 3


def test_what_is_not_ip_passes_beside_the_tree(host, generation):
    made = generation(tree(matcher(dscp=[46])))
    live.apply(made, None)

    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("eth0", 0))
        for _ in range(40):
            sock.send(b"\xff" * 12 + b"\x08\x06" + b"\0" * 50)

    assert sum(packets(made).values()) < 10, "the host's own IPv6 chatter"
    assert int(host.tc("qdisc show dev eth0").partition("direct_packets_stat ")[2].split()[0]) >= 40
