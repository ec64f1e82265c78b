"""What this host runs, what it would go back to, what is under way: read-only, for people and gates."""

from __future__ import annotations

import time
from typing import Any

from tidegate.host import generation, record, transaction
from tidegate.host.check import worst
from tidegate.host.errors import Refused


def status() -> dict[str, Any]:
    """Generations and plans of this host; ages in seconds. ``pending`` is null unless a change is under way."""
    return {
        "confirmed": _named("confirmed"),
        "running": _named("running"),
        "pending": _pending(),
        "reverted": record.reverted(),
    }


def health() -> dict[str, Any]:
    """Every check of the running generation, and the worst of them as ``status``. Nothing applied yet is unknown."""
    running = generation.linked("running")
    if running is None or running.is_initial:
        return {"status": "unknown", "checks": [], "reason": "no generation has been applied on this host"}
    found = transaction.checks(running, record.read())
    return {"status": worst(found), "generation": running.id, "checks": [check.as_dict() for check in found]}


def drift() -> dict[str, list[str]]:
    """What differs between the host and its confirmed generation, by subsystem; empty if nothing does."""
    confirmed = generation.linked("confirmed")
    if confirmed is None or confirmed.is_initial:
        raise Refused("no generation has been confirmed on this host: there is nothing to compare with")
    return transaction.diff(confirmed)


def _named(link: str) -> dict[str, Any] | None:
    found = generation.linked(link)
    return None if found is None else {"generation": found.id, "plan": found.plan}


def _pending() -> dict[str, Any] | None:
    change = record.read()
    if change is None:
        return None
    now = time.time()
    return {
        "generation": change.generation,
        "previous": change.previous,
        "applied": list(change.applied),
        "age": int(now - change.armed_at),
        "undone_in": change.remaining(now) if change.is_live() else None,
    }
