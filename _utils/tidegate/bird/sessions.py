"""What sessions need besides themselves: features of the host's BIRD, and tables of VRFs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tidegate.bird.features import demand
from tidegate.bird.parse import Version
from tidegate.bird.quote import Syntax
from tidegate.bird.section import BirdSection, Neighbor, Vrf
from tidegate.host.errors import Refused


def demand_features(neighbor: Neighbor, version: Version) -> None:
    """Nothing, if the host's BIRD can keep the session as planned.

    Raises:
        Refused: It cannot; the feature, the version that can and the place in the policy are named.
    """
    if neighbor.get("keys"):
        # Never left out: the session would stand there without what protects it.
        demand("TCP-AO", version, f"traffic.routing.neighbors.{neighbor['name']}.keys", False, optional=False)


def table(neighbor: Neighbor) -> Syntax | None:
    """The stem of the tables that a session's routes go to; none: the main ones."""
    return _stem(neighbor["vrf"]) if "vrf" in neighbor else None


def tables(neighbor: Neighbor) -> list[str]:
    """The tables in BIRD, where they are not the main one of the family of the session's address."""
    digits = [family[-1] for family in neighbor.get("families") or [neighbor["family"]]]
    if "vrf" in neighbor or digits != [neighbor["family"][-1]]:
        return [f"{table(neighbor) or 'master'}{digit}" for digit in digits]
    return []


def vrfs(section: BirdSection) -> list[Mapping[str, Any]]:
    """The VRFs of a section's sessions: ``stem``, ``device`` and kernel ``table``.

    Raises:
        Refused: Two have one name in BIRD, or one kernel table.
    """
    found: dict[str, Vrf] = {}
    for neighbor in section["neighbors"]:
        vrf = neighbor.get("vrf")
        if vrf is None:
            continue
        known = found.setdefault(_stem(vrf), vrf)
        clash = [other for other in found.values() if other != vrf and other["table"] == vrf["table"]]
        if known != vrf or clash:
            raise Refused(f"BIRD: neighbor {neighbor['name']!r}: VRF {vrf['device']!r} and another one are confused")
    return [{"stem": Syntax(stem), **vrf} for stem, vrf in sorted(found.items())]


def _stem(vrf: Vrf) -> Syntax:
    return Syntax("vrf_" + re.sub(r"[^A-Za-z0-9]", "_", str(vrf["device"])) + "_")
