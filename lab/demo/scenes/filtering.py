"""A dropped source and its counter."""

from __future__ import annotations

from lab.demo.scenes.anycast import VIP
from lab.demo.stage import EDGES, Stage

TITLE = "XDP drops an abuser"
_ABUSER, _RULE, _PINGS = "203.0.113.130", "abusers", 20


def play(stage: Stage) -> str:
    """Ping from an address that the policy drops, and from one that it does not; read the counters before and after."""
    stage.show.tell(f"The policy drops the set `abusers`, and the client's second address, {_ABUSER}, is in it.")
    before = _counters(stage)
    _ping(stage, "203.0.113.3", lost=0)
    _ping(stage, _ABUSER, lost=100)
    after = _counters(stage)
    dropped = sum(after.values()) - sum(before.values())
    stage.claim(dropped == _PINGS, f"the counter of rule {_RULE} grows by {_PINGS}", f"it grew by {dropped}")
    hosts = " and ".join(host for host in after if after[host] > before[host])
    stage.show.means(
        f"All {dropped} were dropped by XDP on {hosts}, where the router sends this flow; the other source lost none."
    )
    return f"{dropped} of {_PINGS} packets of the abuser dropped and counted"


def _counters(stage: Stage) -> dict[str, int]:
    """Packets that the rule has dropped, by host."""
    told = stage.salt(EDGES, "xdp.counters")
    names = sorted(next(iter(told.values())))
    stage.show.table(
        ("packets dropped by rule", *names),
        [(host, *(str(told[host][name]["packets"]) for name in names)) for host in sorted(told)],
        right=range(1, len(names) + 1),
    )
    return {host: int(told[host][_RULE]["packets"]) for host in sorted(told)}


def _ping(stage: Stage, source: str, lost: int) -> None:
    line = ("ping", "-q", "-c", str(_PINGS), "-i", "0.05", "-W", "1", "-I", source, VIP)
    stage.shown_exec("client", *line)
    with stage.show.waiting("ping"):
        text = stage.quietly("client", *line)
    stage.show.output("\n".join(line for line in text.splitlines() if "packet loss" in line))
    stage.claim(f" {lost}% packet loss" in text, f"{lost} % of the pings from {source} are lost", text)
