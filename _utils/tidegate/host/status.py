"""What this host runs, what it would go back to, what is under way: read-only, for people and gates."""

from __future__ import annotations

import time
from typing import Any

from tidegate.host import generation, record, transaction
from tidegate.host.check import worst
from tidegate.host.drift import fingerprint
from tidegate.host.errors import Refused, TidegateError


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


def report() -> dict[str, Any]:
    """All that gates ask of a host, in one read; what of it cannot be read is null, with a reason.

    Returns:
        ``plan`` and ``confirmed``: digests of the plans that run and that the host goes back to, null if there is none.
        ``pending``: the change under way, as in `status`, or null. ``reverted``: digest of each plan that is not tried
        again → why. ``health``: as `health`. ``drift``: lines by subsystem, empty if nothing differs, null if that
        cannot be said: ``drift_reason`` tells why. ``drift_id``: the name of exactly this drift, null without drift.
        ``boot``: identifies the host's boot. ``left_alone``: whether the last highstate left the host alone because an
        operation says so.
    """
    drifted, why = _drift_or_why()
    return {
        "plan": _plan("running"),
        "confirmed": _plan("confirmed"),
        "pending": _pending(),
        "reverted": {str(entry["plan"]): str(entry["reason"]) for entry in record.forbidden().values()},
        "health": _health_or_why(),
        "drift": drifted,
        "drift_reason": why,
        "drift_id": fingerprint(drifted or {}),
        "boot": record.boot_id(),
        "left_alone": record.left_alone() is not None,
    }


def _health_or_why() -> dict[str, Any]:
    try:
        return health()
    except (TidegateError, OSError, ValueError) as error:
        return {"status": "unknown", "checks": [], "reason": str(error)}


def _drift_or_why() -> tuple[dict[str, list[str]] | None, str | None]:
    if record.read() is not None:
        return None, "a change is under way: what differs from the confirmed generation is meant to"
    try:
        return drift(), None
    except (TidegateError, OSError, ValueError) as error:
        return None, str(error)


def _plan(link: str) -> str | None:
    try:
        found = generation.linked(link)
    except Refused:
        # Damaged: health and drift say so in words.
        return None
    return None if found is None else found.plan


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
        "owner": change.owner,
        "age": int(now - change.armed_at),
        "undone_in": change.remaining(now) if change.is_live() else None,
    }
