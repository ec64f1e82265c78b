"""VIPs on a server: local routes, so that its kernel takes packets for them as its own, and its programs may bind them.

A route in table `local` instead of an address on an interface: it carries our protocol number, so we know
which are ours, and no address shows up where somebody would wonder. Programs that bind an IPv6 VIP by itself, not all
addresses, need IPV6_FREEBIND (or net.ipv6.ip_nonlocal_bind).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from tidegate.balancing.section import Balancing
from tidegate.bird.routes import PROTOCOL, command


def wanted(section: Balancing | None) -> set[str]:
    """The VIPs that a host answers for."""
    return {vip for served in section["served"] for vip in served["vips"]} if section else set()


def live() -> set[str]:
    """The VIPs that the kernel takes for its own because of us."""
    found: set[str] = set()
    for family in ("-4", "-6"):
        asked = [family, "-json", "route", "show", "table", "local", "proto", str(PROTOCOL)]
        found |= {str(entry["dst"]) for entry in json.loads(command(asked) or "[]")}
    return found


def add(vips: Iterable[str]) -> None:
    """Take packets for these, too."""
    _batch("replace", vips)


def remove(vips: Iterable[str]) -> None:
    """Take them no more."""
    _batch("del", vips)


def _batch(verb: str, vips: Iterable[str]) -> None:
    for family in ("-4", "-6"):
        lines = [
            f"route {verb} local {vip} dev lo table local proto {PROTOCOL}\n"
            for vip in sorted(vips)
            if (":" in vip) == (family == "-6")
        ]
        if lines:
            command([family, "-batch", "-"], "".join(lines))
