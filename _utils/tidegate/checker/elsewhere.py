"""On how many other hosts a service is up, as somebody who sees them all says: good for a while, and then forgotten.

One host cannot know whether a service is sick everywhere. Who can (the master, a script over ``traffic.services``)
tells it with ``traffic.seen_elsewhere``; kept in ``RUN/elsewhere.json``, times of the monotonic clock.
"""

from __future__ import annotations

import time
from pathlib import Path

from tidegate.host import durable
from tidegate.host.errors import Refused
from tidegate.host.paths import paths

LONGEST = 3600


def tell(service: str, up: int, seconds: float) -> None:
    """Remember for ``seconds`` that a service is up on ``up`` other hosts.

    Raises:
        Refused: not a number of hosts, or not 1 to 3600 seconds.
    """
    if isinstance(up, bool) or not isinstance(up, int) or up < 0:
        raise Refused(f"up is to be a number of hosts, not {up!r}")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 1 <= seconds <= LONGEST:
        raise Refused(f"seconds is to be from 1 to {LONGEST}, not {seconds!r}")
    now = time.monotonic()
    told = {name: entry for name, entry in _read().items() if entry["until"] > now}
    told[service] = {"up": up, "until": now + seconds}
    paths().run.mkdir(mode=0o755, parents=True, exist_ok=True)
    durable.write_json(_path(), told)


def told(now: float) -> dict[str, int]:
    """What has been told and still holds: service → hosts that have it up, this one aside."""
    return {name: int(entry["up"]) for name, entry in _read().items() if entry["until"] > now}


def _read() -> dict[str, dict[str, float]]:
    try:
        return durable.read_json(_path()) or {}
    except (OSError, ValueError):
        return {}


def _path() -> Path:
    return paths().run / "elsewhere.json"
