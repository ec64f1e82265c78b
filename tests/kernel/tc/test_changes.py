"""A hundred changes of policy while packets flow: none is lost to a change."""

from tests.unit.tc.section import matcher, shaped, traffic_class
from tidegate.tc import live

MBIT = 1_000_000
LINK = 100 * MBIT
PORT = 4000
REST = traffic_class("rest", 0x20, 2, MBIT, LINK, default=True)


def policy(number):
    """Never twice the same: rates and priorities change, classes and customers come and go, packets change class."""
    flow = matcher(destination_port=[[PORT, PORT]])
    name = "even" if number % 2 else "odd"
    moving = traffic_class(name, 0x30 + number % 2, number % 8, (10 + number) * MBIT // 4, LINK, flow)
    prefix = matcher(destination=["198.51.100.3/32"])
    customer = {**traffic_class("c", 0x100, 1, 9 * MBIT, LINK, prefix), "inner": True, "fallback": 0x101}
    inside = {**traffic_class("c/in", 0x101, 1, MBIT, LINK), "parent": 0x100}
    return shaped(moving, *([customer, inside] if number % 3 == 0 else []), REST, rate=LINK)


def test_no_packet_is_lost_to_a_hundred_changes(host, generation, stream):
    live.apply(generation(policy(0)), None)
    made = [generation(policy(number)) for number in range(1, 101)]

    with stream(PORT) as datagrams:
        for each in made:
            live.apply(each, None)

    assert datagrams.received == datagrams.sent > 100
    assert {figures["drops"] for figures in live.counters(made[-1])["eth0"].values()} == {0}
