"""Which backends are sick, as the checker last wrote it: for filling slots, and for the check of a VIP's service.

``RUN/backends.json``: ``{"time": monotonic seconds, "pools": {service: {host: true | false | null}},
"capacity": {service: share}}``; null means that nobody has looked yet. A boot forgets it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.balancing.section import Service
from tidegate.host.paths import paths

Pools = Mapping[str, Mapping[str, bool | None]]
"""Service → host → well, sick, or not looked at."""

FRESH = 10.0
"""Seconds after which what was written says nothing any more about who is well."""


def file() -> Path:
    """Where it is."""
    return paths().run / "backends.json"


def write(pools: Pools, shares: Mapping[str, float]) -> None:
    """Tell what is known now. Nothing is synced: a restart of the host forgets it anyway."""
    text = json.dumps({"time": time.monotonic(), "pools": pools, "capacity": shares}, sort_keys=True)
    path = file()
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text)
    aside.replace(path)


def sick() -> dict[str, set[str]]:
    """Service → hosts that were sick when somebody last looked. A checker that is gone changes nothing."""
    _, document = _read()
    return {
        name: {host for host, well in members.items() if well is False}
        for name, members in document.get("pools", {}).items()
    }


def share(service: str) -> float | None:
    """The share of a pool's weight that is well; ``None`` if nobody has said so lately."""
    age, document = _read()
    found = document.get("capacity", {}).get(service)
    return None if found is None or age > FRESH else float(found)


def _read() -> tuple[float, dict[str, Any]]:
    """Its age in seconds, and what it says; endlessly old and empty if there is none."""
    try:
        document = json.loads(file().read_bytes())
        return max(0.0, time.monotonic() - float(document["time"])), document
    except (OSError, ValueError, KeyError, TypeError):
        return float("inf"), {}


def capacity(members: Mapping[str, bool | None], service: Service) -> float:
    """The share of a pool's weight that is well, from 0 to 1; what nobody has looked at, or is draining, is not."""
    whole = sum(backend["weight"] for backend in service["backends"])
    well = [one["weight"] for one in service["backends"] if members.get(one["host"]) and not one["draining"]]
    return sum(well) / whole if whole else 0.0
