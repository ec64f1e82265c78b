"""Two flows share a link that is too small for both."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lab.demo.scenes.anycast import VIP
from lab.demo.stage import Stage

TITLE = "tc: two flows, one link"
_EDGE, _ROUTER, _ROUTER_ADDRESS = "edge1.iad1", "transit-us", "203.0.113.5"
_LINK_MBIT = 20.0


@dataclass(frozen=True)
class Flow:
    """One iperf3 connection from the edge to its router."""

    class_: str
    source: str
    port: int


_WEB = Flow("web", VIP, 5201)
_BULK = Flow("bulk", "198.51.100.7", 5202)


def play(stage: Stage) -> str:
    """Each flow alone, then both at once, then the counters of their classes."""
    stage.show.tell(
        f"{_EDGE}'s uplink is shaped to 20 Mbit/s. `web` (from the anycast prefix) is sure of 60 % and goes first; `bulk` "
        "(anything else) is sure of 10 % and may borrow what is spare."
    )
    alone = {flow.class_: _together(stage, [flow], 3)[flow.class_] for flow in (_WEB, _BULK)}
    before = _bytes(stage, shown=False)
    both = _together(stage, [_WEB, _BULK], 6)
    after = _bytes(stage, shown=True)
    rows = [
        (name, f"{alone[name]:.1f}", f"{both[name]:.1f}", f"{(after[name] - before[name]) / 1e6:.1f}")
        for name in ("web", "bulk")
    ]
    stage.show.table(
        ("class", "Mbit/s alone", "Mbit/s together", "MB through the class, together"), rows, right=[1, 2, 3]
    )
    stage.claim(min(alone.values()) > 0.75 * _LINK_MBIT, "each flow alone fills the link", alone)
    stage.claim(both["web"] > 0.6 * _LINK_MBIT > 6 * both["bulk"] / 2, "web goes first, bulk is held back", both)
    stage.show.means("Alone, each has the whole link. Together, web keeps nearly all of it and bulk its guarantee.")
    return f"web {both['web']:.1f}, bulk {both['bulk']:.1f} Mbit/s together; {alone['bulk']:.1f} for bulk alone"


def _together(stage: Stage, flows: list[Flow], seconds: int) -> dict[str, float]:
    """Run flows side by side and return what arrived of each, in Mbit/s."""
    commands = [_iperf(flow, seconds) for flow in flows]
    for flow in flows:
        stage.quietly(_ROUTER, "iperf3", "-s", "-1", "-D", "-p", str(flow.port))
    for flow, command in zip(flows, commands, strict=True):
        stage.shown_exec(_EDGE, *command)
        stage.show.skipped(f"{flow.class_}, for {seconds} s" + (", at the same time" if flow is not flows[0] else ""))
    with stage.show.waiting(" and ".join(flow.class_ for flow in flows)), ThreadPoolExecutor(2) as pool:
        texts = list(pool.map(lambda command: stage.quietly(_EDGE, *command), commands))
    found = {}
    for flow, text in zip(flows, texts, strict=True):
        line = next((line for line in text.splitlines() if line.endswith("receiver")), "")
        stage.claim(line, f"iperf3 for {flow.class_} says what the receiver got", text or "nothing")
        stage.show.output(line)
        found[flow.class_] = float(re.findall(r"([\d.]+) Mbits/sec", line)[0])
    return found


def _iperf(flow: Flow, seconds: int) -> list[str]:
    return ["iperf3", "-c", _ROUTER_ADDRESS, "-B", flow.source, "-p", str(flow.port), "-t", str(seconds), "-f", "m"]


def _bytes(stage: Stage, *, shown: bool) -> dict[str, int]:
    told: dict[str, Any] = stage.salt(_EDGE, "tc.counters", shown=shown)[_EDGE]
    return {name: int(counters["bytes"]) for name, counters in told["eth0"].items()}
