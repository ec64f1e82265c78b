"""What the checker knows, for people: read-only."""

from __future__ import annotations

import time
from typing import Any

from tidegate.checker import elsewhere, links, record, rules


def services() -> dict[str, dict[str, Any]]:
    """Every service of the generation that has checks.

    Returns:
        By service: ``state`` (unproven, up, down or held) and for how many ``seconds``; ``announced``; ``why`` it is
        not well; ``checks``: by name whether it is well (null: nobody has looked), and how many looks in a row say
        otherwise; ``elsewhere``: on how many other hosts it is up, null if nobody has said.
    """
    generation = links.generation()
    known, now = record.read(), time.monotonic()
    others = elsewhere.told(now)
    found: dict[str, dict[str, Any]] = {}
    for name in rules.read(generation) if generation else ():
        one = known.services.get(name) if known.is_of_this_boot else None
        found[name] = {
            "state": one.standing.state if one else "unproven",
            "seconds": int(now - one.standing.since) if one else None,
            "announced": one.announced if one else False,
            "why": one.why if one else "",
            "checks": {c: {"well": p.well, "streak": p.streak} for c, p in one.pulses.items()} if one else {},
            "elsewhere": others.get(name),
        }
    return found
