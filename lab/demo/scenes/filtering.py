"""A dropped source and its counter."""

from __future__ import annotations

from typing import Any

from lab.demo.scenes.anycast import VIP
from lab.demo.stage import Stage

TITLE = "XDP drops an abuser"
_ABUSER, _RULE, _PINGS = "203.0.113.130", "abusers", 20


def play(stage: Stage) -> str:
    """Ping from an address that the policy drops, and from one that it does not; read the counters before and after."""
    stage.show.tell(f"The policy drops the set `abusers`, and the client's second address, {_ABUSER}, is in it.")
    before = stage.salt("*", "xdp.counters")
    _ping(stage, "203.0.113.3", lost=0)
    _ping(stage, _ABUSER, lost=100)
    after = stage.salt("*", "xdp.counters")
    hosts = sorted(after)
    rows = [
        (host, *(_packets(told, host) for told in (before, after)), _difference(before, after, host)) for host in hosts
    ]
    stage.show.table(("host", "before", "after", f"dropped by `{_RULE}`"), rows, right=[1, 2, 3])
    dropped = sum(int(row[3]) for row in rows)
    stage.claim(dropped == _PINGS, f"the counter of rule {_RULE} grows by {_PINGS}", f"it grew by {dropped}")
    stage.show.means("All of them were dropped in the driver, on the host that they reached; nobody else noticed.")
    return f"{dropped} of {_PINGS} packets of the abuser dropped and counted, none of the other's"


def _ping(stage: Stage, source: str, lost: int) -> None:
    line = ("ping", "-q", "-c", str(_PINGS), "-i", "0.05", "-W", "1", "-I", source, VIP)
    stage.shown_exec("client", *line)
    with stage.show.waiting("ping"):
        text = stage.quietly("client", *line)
    stage.show.output("\n".join(line for line in text.splitlines() if "packet loss" in line))
    stage.claim(f" {lost}% packet loss" in text, f"{lost} % of the pings from {source} are lost", text)


def _packets(told: dict[str, Any], host: str) -> str:
    return str(told[host][_RULE]["packets"])


def _difference(before: dict[str, Any], after: dict[str, Any], host: str) -> str:
    return str(int(_packets(after, host)) - int(_packets(before, host)))
