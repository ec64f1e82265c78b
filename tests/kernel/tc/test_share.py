"""Two flows that both want the whole link. Asserted are orders, not figures: the machine is busy, the kernel is not."""

import contextlib
import socket
import threading
import time

from tests.unit.tc.section import matcher, shaped, traffic_class
from tidegate.tc import live

MBIT = 1_000_000
LINK = 20 * MBIT
SECONDS = 2.0
HIGH_PORT, LOW_PORT = 1001, 1002


def flood(port, until):
    """Ten datagrams of a kilobyte every 2 ms: at most 40 mbit/s offered; what the queue does not take is not sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        while time.monotonic() < until:
            with contextlib.suppress(BlockingIOError):
                for _ in range(10):
                    sock.sendto(b"x" * 1000, ("198.51.100.3", port))
            time.sleep(0.002)


def rates(generation, *ports):
    """bit/s through each class while all ports are flooded, after a first moment in which bursts are used up."""
    until = time.monotonic() + SECONDS + 0.5
    threads = [threading.Thread(target=flood, args=(port, until)) for port in ports]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    begin, before = time.monotonic(), live.counters(generation)["eth0"]
    for thread in threads:
        thread.join()
    elapsed, after = time.monotonic() - begin, live.counters(generation)["eth0"]
    return {name: (after[name]["bytes"] - before[name]["bytes"]) * 8 / elapsed for name in after}


def link(high, low):
    """A link whose classes ``high`` and ``low`` are chosen by port; both take (priority, guarantee, ceiling)."""
    return shaped(
        traffic_class("high", 0x10, *high, matcher(destination_port=[[HIGH_PORT, HIGH_PORT]])),
        traffic_class("low", 0x20, *low, matcher(destination_port=[[LOW_PORT, LOW_PORT]])),
        traffic_class("rest", 0x30, 7, 8_000, LINK, default=True),
        rate=LINK,
    )


def test_the_higher_priority_takes_what_is_spare_and_the_lower_keeps_its_guarantee(host, generation):
    made = generation(link((0, 2 * MBIT, LINK), (3, 2 * MBIT, LINK)))
    live.apply(made, None)

    got = rates(made, HIGH_PORT, LOW_PORT)

    assert got["high"] > 5 * got["low"], "18 to 2"
    assert got["low"] > 0.8 * 2 * MBIT
    assert 0.85 * LINK < got["high"] + got["low"] < 1.05 * LINK


def test_equals_share_what_is_spare_by_guarantee(host, generation):
    made = generation(link((1, 12 * MBIT, LINK), (1, 2 * MBIT, LINK)))
    live.apply(made, None)

    got = rates(made, HIGH_PORT, LOW_PORT)

    assert 4 < got["high"] / got["low"] < 9, "12 to 2; it would be 15 to 5 if the spare were halved"


def test_alone_a_low_class_has_the_link_up_to_its_ceiling(host, generation):
    made = generation(link((0, 2 * MBIT, LINK), (3, 2 * MBIT, LINK // 2)))
    live.apply(made, None)

    got = rates(made, LOW_PORT)

    assert 0.9 * LINK / 2 < got["low"] < 1.05 * LINK / 2
