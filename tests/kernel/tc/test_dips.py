"""A hundred changes of policy during a transfer: none loses a packet, and none is felt.

Felt is a dip of more than a tenth for longer than 200 ms. It is told by a second transfer, over a second interface with
the same tree, which nobody changes: what both have is the machine's.
"""

import re
import time

import pytest

from tests.kernel.tc.transfers import longest_dip, transfers
from tests.unit.tc.section import matcher, shaped, traffic_class
from tidegate.tc import command, live

MBIT = 1_000_000
LINK, RATE = 100 * MBIT, 30 * MBIT
FELT = 0.2
FLOW = matcher(protocol=6, destination_port=[[4000, 4000]])
REST = traffic_class("rest", 0x20, 5, MBIT, LINK, default=True)
CONTROL = {
    **shaped(traffic_class("flow", 0x30, 1, RATE, RATE, FLOW), REST, device="eth1", rate=LINK),
    "name": "other",
}


def policy(number, flow=0x30):
    """Never twice the same around the flow: rates, priorities, entries, classes and customers come and go."""
    moving = traffic_class(
        f"m{number % 5}", 0x40 + number % 5, number % 8, (1 + number) * MBIT // 4, LINK, matcher(dscp=[8])
    )
    prefix = matcher(destination=["203.0.113.0/24"])
    customer = {**traffic_class("c", 0x100, 1, 9 * MBIT, LINK, prefix), "inner": True, "fallback": 0x101}
    inside = {**traffic_class("c/in", 0x101, 1, MBIT, LINK), "parent": 0x100}
    return shaped(
        traffic_class(f"flow{flow:x}", flow, 1, RATE, RATE, FLOW),
        moving,
        *([customer, inside] if number % 3 == 0 else []),
        {**REST, "priority": 4 + number % 3},
        rate=LINK,
    )


@pytest.fixture
def second_wire(host, wire):
    """``eth1`` at both ends, 198.51.100.4/31; single segments everywhere, or a sample would count a few large ones."""
    host.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth1", "netns", wire.peer.name)
    for end, number in ((wire.host, 4), (wire.peer, 5)):
        end.run("ip", "address", "add", f"198.51.100.{number}/31", "dev", "eth1")
        end.run("ip", "link", "set", "eth1", "up")
        for device in ("eth0", "eth1"):
            end.run("ip", "link", "set", device, "gso_max_segs", "1")


def drops(host):
    """What each tree dropped since it was made: a class that is deleted with packets in it counts them there."""
    return [int(count) for count in re.findall(r"^qdisc htb .*\n Sent .*dropped (\d+)", host.tc("-s qdisc show"), re.M)]


@pytest.mark.parametrize("flows", [(0x30, 0x30), (0x30, 0x31)], ids=["its class stays", "its class changes"])
def test_a_hundred_changes_are_not_felt(host, wire, generation, second_wire, flows):
    live.apply(generation(policy(0), CONTROL), None)
    made = [generation(policy(number, flows[number % 2]), CONTROL) for number in range(1, 101)]

    with transfers(wire.host, wire.peer, "198.51.100.3", "198.51.100.5") as seen:
        time.sleep(1.5)
        for each in made:
            began = time.monotonic()
            live.apply(each, None)
            time.sleep(max(0, 0.06 - (time.monotonic() - began)))

    assert len(seen.samples) > 100
    assert drops(host) == [0, 0]
    assert seen.again[0] - seen.again[1] < len(made) // 2, "a tree made again loses what waits in it, each time"
    assert longest_dip(seen.samples) <= FELT


def test_a_change_that_is_felt_would_be_seen(host, wire, generation, second_wire):
    live.apply(generation(policy(0), CONTROL), None)
    narrow = f"class change dev eth0 parent 1de:1 classid 1de:30 htb rate {RATE // 2}bit ceil {RATE // 2}bit burst 4k"

    with transfers(wire.host, wire.peer, "198.51.100.3", "198.51.100.5") as seen:
        time.sleep(3)
        command.batch([narrow])
        time.sleep(0.5)
        live.apply(generation(policy(0), CONTROL), None)
        time.sleep(1)

    assert longest_dip(seen.samples) > FELT
