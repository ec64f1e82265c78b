"""The services' routes: blackholes in a kernel table of their own, which BIRD announces while they are there.

Nothing looks the table up for forwarding, so they carry no packet. A route of ours is one of type blackhole with our
protocol number, in whatever table: so that a changed table number leaves nothing behind.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections.abc import Iterable

from tidegate.host.errors import Failed

PROTOCOL = 116
"""Our ``rtm_protocol``: assigned to nobody in linux/rtnetlink.h or iproute2's rt_protos."""
_TIMEOUT = 30

Route = tuple[int, str]
"""(table, prefix)."""


def live() -> set[Route]:
    """Every route of ours that the kernel has now."""
    found = set()
    for family, default in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
        # -Numeric: a table may have a name in rt_tables.
        asked = ["route", "show", "table", "all", "type", "blackhole", "proto", str(PROTOCOL)]
        for entry in json.loads(command([family, "-Numeric", "-json", *asked]) or "[]"):
            prefix = default if entry["dst"] == "default" else entry["dst"]
            found.add((int(entry["table"]), str(ipaddress.ip_network(prefix))))
    return found


def add(routes: Iterable[Route]) -> None:
    """Add routes; one that is there already stays."""
    _batch("replace", routes)


def remove(routes: Iterable[Route]) -> None:
    """Remove routes that are there."""
    _batch("del", routes)


def _batch(verb: str, routes: Iterable[Route]) -> None:
    commands = [f"route {verb} blackhole {prefix} table {table} proto {PROTOCOL}\n" for table, prefix in sorted(routes)]
    if commands:
        command(["-batch", "-"], "".join(commands))


def command(arguments: list[str], text: str | None = None) -> str:
    """Output of `ip`, fed with text; raises `Failed` with what it said."""
    try:
        done = subprocess.run(
            ["ip", *arguments], input=text, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"ip {' '.join(arguments)}: {error}") from None
    if done.returncode != 0:
        raise Failed(f"ip {' '.join(arguments)}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout
