"""Parts of plans, with what a test does not care about filled in."""

from __future__ import annotations

from typing import Any

from tidegate.balancing.section import Balancing


def service(name: str = "web", **changed: Any) -> dict[str, Any]:
    """A balanced service with one backend."""
    one = {
        "name": name,
        "vips": ["192.0.2.10", "2001:db8:100::10"],
        "ports": [[6, 80], [17, 53]],
        "encapsulation": "gue",
        "affinity": "flow",
        "backends": [backend("server1", "10.9.0.1")],
        "mtu": None,
        "check": None,
        "min_percent": 1,
    }
    return {**one, **changed}


def backend(host: str, address: str, weight: int = 100, draining: bool = False) -> dict[str, Any]:
    return {"host": host, "address": address, "weight": weight, "draining": draining}


def section(*services: dict[str, Any], served: tuple[dict[str, Any], ...] = (), **outer: str | None) -> Balancing:
    return {
        "services": list(services),
        "served": list(served),
        "outer": {"ipv4": None, "ipv6": None, **outer},
        "own": {"ipv4": "10.9.0.100", "ipv6": "2001:db8:9::100"},
    }
