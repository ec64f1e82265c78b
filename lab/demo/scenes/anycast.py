"""The same prefixes from every PoP, and the nearest one answers."""

from __future__ import annotations

import re

from lab.demo.stage import Stage

TITLE = "Anycast: one prefix, every PoP"
PREFIX, PREFIX6 = "192.0.2.0/24", "2001:db8:100::/48"
VIP, VIP6 = "192.0.2.10", "2001:db8:100::10"
_REQUESTS = 4


def play(stage: Stage) -> str:
    """Both routers' view, then a client's."""
    stage.show.tell("Two upstream routers (FRR, no Tidegate on them) show what they have heard.")
    _routes(stage, "transit-eu", "ipv4", PREFIX, paths=4)
    stage.show.means("London's two edges share the traffic (multipath); Amsterdam prepends and stands by.")
    _routes(stage, "transit-us", "ipv4", PREFIX, paths=2)
    stage.show.means("From the other side Ashburn is nearest, and Europe is the way around.")
    _routes(stage, "transit-eu", "ipv6", PREFIX6, paths=4)
    stage.show.means("The same over IPv6.")
    stage.show.then("The client, behind transit-eu, sees one address.")
    stage.run("client", "ip", "route", "get", VIP, trim=lambda text: text.splitlines()[0])
    urls = [f"http://{host}/?[1-{_REQUESTS}]" for host in (VIP, f"[{VIP6}]")]
    answers = stage.run("client", "curl", "-sS", "-m", "5", *urls).splitlines()
    nearest = {line for line in answers if " in lhr1 answered " in line}
    all_near = len(answers) == 2 * _REQUESTS and set(answers) == nearest
    stage.claim(all_near, "London (lhr1) answers every request", "\n".join(answers))
    stage.show.means("The nearest PoP, London, answers all of them, over IPv4 and IPv6.")
    return f"{len(answers)} of {len(answers)} requests answered by the nearest PoP"


def _routes(stage: Stage, router: str, family: str, prefix: str, paths: int) -> None:
    command = ("vtysh", "-c", f"show bgp {family} unicast {prefix}")
    head = f"Paths: ({paths} available"
    stage.until(lambda: head in stage.quietly(router, *command), f"{router} has {paths} paths to {prefix}")
    stage.run(router, *command, trim=_brief)


def _brief(text: str) -> str:
    """The head, and two lines for each path: AS path, neighbor, and what the router thinks of it."""
    keep = re.compile(r"BGP routing table|Paths:|  [\d ]+$|    \S+ from |      Origin |      Community")
    return "\n".join(line for line in text.splitlines() if keep.match(line))
