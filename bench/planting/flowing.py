"""How well rates are held while two floods want them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from planting.policy import KBIT, anything, generation, traffic_class
from planting.seclusion import run
from tidegate.tc import live
from tidegate.tc.section import ShapedInterface


def flowing(folder: Path) -> dict[str, float]:
    """mbit/s through classes that two floods want, by the classes' counters, beside what the policy says."""
    peer = subprocess.Popen(["unshare", "--net", "sleep", "120"])
    try:
        time.sleep(0.3)
        run("ip", "link", "set", "peer0", "netns", str(peer.pid))
        inside = ["nsenter", "--target", str(peer.pid), "--net", "ip"]
        run(*inside, "link", "set", "peer0", "up")
        run(*inside, "address", "add", "198.51.100.3/31", "dev", "peer0")
        run("ip", "address", "add", "198.51.100.2/31", "dev", "eth0")
        mac = json.loads(subprocess.check_output([*inside, "-j", "link", "show", "peer0"]))[0]["address"]
        run("ip", "neigh", "replace", "198.51.100.3", "lladdr", mac, "dev", "eth0", "nud", "permanent")
        found = {}
        for name, (high, low), ports in CASES:
            got = _shared(folder, name, high, low, ports)
            found |= {f"{name}: {class_}": got[class_] for class_ in ("high", "low")[: len(ports)]}
        return found
    finally:
        peer.kill()
        peer.wait()


MBIT = 1_000_000
SHARED = 50 * MBIT
Want = tuple[int, int, int]
CASES: tuple[tuple[str, tuple[Want, Want], tuple[int, ...]], ...] = (
    ("ceiling 20, alone", ((0, 5, 20), (1, 5, 50)), (1001,)),
    ("guarantees 35 and 15 of 50, equal priority", ((1, 35, 50), (1, 15, 50)), (1001, 1002)),
    ("guarantees 5 and 15, the first goes first: 35 and 15", ((0, 5, 50), (3, 15, 50)), (1001, 1002)),
)
"""Priority, guarantee and ceiling in mbit/s of two classes, and the ports that are flooded."""


def _shared(folder: Path, name: str, high: Want, low: Want, ports: tuple[int, ...]) -> dict[str, float]:
    classes = [traffic_class("rest", 0xFFF0, [], default=True)]
    for number, (title, (priority, guarantee, ceiling)) in enumerate((("high", high), ("low", low))):
        match = {**anything(), "destination_port": [[1001 + number] * 2]}
        made = traffic_class(title, 0x10 + number, [match])
        rates = {"guarantee": guarantee * MBIT, "ceiling": ceiling * MBIT, "priority": priority}
        classes.append({**made, **rates})  # type: ignore[typeddict-item]
    classes[0]["guarantee"] = classes[0]["ceiling"] = 8 * KBIT
    whole: ShapedInterface = {"name": "uplink", "device": "eth0", "rate": SHARED, "classes": classes}
    place = generation(folder, whole, name.replace(" ", "-"))
    live.apply(place, None)
    flood = [sys.executable, "-c", FLOOD, *map(str, ports)]
    flooding = subprocess.Popen(flood)
    time.sleep(1)
    begin, before = time.monotonic(), live.counters(place)["eth0"]
    time.sleep(5)
    elapsed, after = time.monotonic() - begin, live.counters(place)["eth0"]
    flooding.kill()
    flooding.wait()
    live.remove()
    return {title: (after[title]["bytes"] - before[title]["bytes"]) * 8 / elapsed / MBIT for title in ("high", "low")}


FLOOD = """
import socket, sys, time
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in sys.argv[1:]]
for sock, port in zip(sockets, sys.argv[1:]):
    sock.setblocking(False)
    sock.connect(("198.51.100.3", int(port)))
until = time.monotonic() + 30
while time.monotonic() < until:
    for sock in sockets:
        try:
            for _ in range(40):
                sock.send(b"x" * 1400)
        except OSError:
            pass
    time.sleep(0.001)
"""
