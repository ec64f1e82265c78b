"""Two flows share a link that is too small for both."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab.demo.scenes.anycast import VIP
from lab.demo.stage import Stage

TITLE = "tc: two flows, one link"
_EDGE, _ROUTER, _ROUTER_ADDRESS = "edge1.iad1", "transit-us", "203.0.113.5"
_LINK = 20.0
"""Mbit/s, as the policy says."""


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
        f"{_EDGE}'s uplink is shaped to 20 Mbit/s. `web`, what the anycast prefix sends, is sure of 60 % and goes "
        "first; `bulk`, all that no class matches, is sure of 10 % and may borrow what is spare. First each alone:"
    )
    alone = {flow.class_: _run(stage, [flow], 3)[flow.class_] for flow in (_WEB, _BULK)}
    stage.show.then("Now both at once:")
    before = _counters(stage, shown=False)
    both = _run(stage, [_WEB, _BULK], 6)
    after = _counters(stage, shown=True)
    grown = {name: {key: after[name][key] - before[name][key] for key in ("packets", "bytes")} for name in alone}
    stage.show.table(
        ("class", "packets", "bytes", "Mbit/s alone", "Mbit/s together"),
        [(name, *map(str, grown[name].values()), f"{alone[name]:.1f}", f"{both[name]:.1f}") for name in alone],
        right=range(1, 5),
    )
    stage.claim(min(alone.values()) > 0.75 * _LINK, "each flow alone fills the link", alone)
    stage.claim(both["web"] > 0.6 * _LINK and both["bulk"] < 0.25 * _LINK, "web goes first, bulk is held back", both)
    stage.show.means(
        "Alone, each has the whole link. Together, bulk is held to what it is sure of and web has the rest."
    )
    return f"together web {both['web']:.1f}, bulk {both['bulk']:.1f} Mbit/s; alone {alone['bulk']:.1f}"


def _run(stage: Stage, flows: list[Flow], seconds: int) -> dict[str, float]:
    """Run flows side by side and return what arrived of each, in Mbit/s."""
    commands = [_iperf(flow, seconds) for flow in flows]
    for flow, command in zip(flows, commands, strict=True):
        stage.quietly(_ROUTER, "iperf3", "-s", "-1", "-D", "-p", str(flow.port))
        stage.shown_exec(_EDGE, *command)
    names = " and ".join(flow.class_ for flow in flows)
    with stage.show.waiting(f"{names}, {seconds} s"), ThreadPoolExecutor(len(flows)) as pool:
        texts = pool.map(lambda command: stage.quietly(_EDGE, *command), commands)
        return {flow.class_: _received(stage, flow, text) for flow, text in zip(flows, texts, strict=True)}


def _received(stage: Stage, flow: Flow, text: str) -> float:
    line = next((line for line in text.splitlines() if line.endswith("receiver")), "")
    stage.claim(line, f"iperf3 for {flow.class_} says what the receiver got", text or "nothing")
    stage.show.output(f"{flow.class_:<5} {re.sub(' {3,}', '  ', line)}")
    return float(re.findall(r"([\d.]+) Mbits/sec", line)[0])


def _iperf(flow: Flow, seconds: int) -> list[str]:
    return ["iperf3", "-c", _ROUTER_ADDRESS, "-B", flow.source, "-p", str(flow.port), f"-t{seconds}", "-fm"]


def _counters(stage: Stage, *, shown: bool) -> dict[str, dict[str, int]]:
    return dict(stage.salt(_EDGE, "tc.counters", shown=shown)[_EDGE]["eth0"])
