"""Flips under load: a packet is judged and balanced by one generation, whole."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegate.balancing import volumes
from tidegate.bpf.loader import pinned_maps
from tidegate.bpf.slots import Slots
from tidegate.xdp import attachment, counters, live

from .planned import service
from .site import VIP, Site, servers

ANY = dict.fromkeys(("source", "destination", "protocol", "source_port", "destination_port", "dscp"))
FLOOD = """
import itertools, socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ends = [(host, int(port)) for host, port in zip(sys.argv[1::2], sys.argv[2::2])]
end, sent = time.monotonic() + 4, 0
for sent, to in enumerate(itertools.cycle(ends)):
    sender.sendto(b"x", to)
    if sent % 512 == 0 and time.monotonic() > end:
        break
time.sleep(0.5)
print(sent)
"""


def test_no_packet_meets_the_rules_of_one_generation_and_the_services_of_another(site: Site) -> None:
    """Each of two generations counts by a rule of its own, balances under a name of its own, and drops port 9."""

    def generation(name: str) -> Path:
        rules = [rule(name, "count-only", 53), rule("closed", "drop", 9)]
        return site.plan("balancer", rules, services=[service(f"web-{name}", backends=servers(), ports=[[17, 53]])])

    with site.on("balancer"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("", 9))
        closed.setblocking(False)
        for name in ("a", "b"):
            live.apply(generation(name), None)
        with pinned_maps(attachment.maps_directory()) as maps, sending(site, VIP, 53, "10.9.0.100", 9) as sender:
            slots = Slots(maps)
            for _ in range(1000):
                slots.flip(1 - slots.in_force, timeout=None)
                time.sleep(0.002)
            sent = int(sender.communicate(timeout=30)[0])
            kept = counters.names(maps)
            counted = {name: counters.of_rule(maps, kept[name]).packets for name in ("a", "b", "closed")}
            balanced = {name: volumes.of(maps, [f"web-{name}"])[f"web-{name}"].packets for name in ("a", "b")}
        with pytest.raises(BlockingIOError):
            closed.recv(100)
    assert balanced == {"a": counted["a"], "b": counted["b"]}
    assert min(balanced.values()) > sent * 0.1
    assert counted["closed"] > sent * 0.4


def rule(name: str, action: str, port: int) -> dict[str, Any]:
    """A rule about UDP to a port."""
    return {
        **ANY,
        "name": name,
        "action": action,
        "devices": ["eth0"],
        "protocol": 17,
        "destination_port": [[port, port]],
    }


@contextlib.contextmanager
def sending(site: Site, *ends: Any) -> Iterator[subprocess.Popen[str]]:
    """The client sends to two addresses and ports in turns for some seconds, as fast as it can; it prints how much."""
    command = site.client.command(sys.executable, "-c", FLOOD, *map(str, ends))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
