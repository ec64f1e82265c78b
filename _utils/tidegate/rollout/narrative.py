"""Events of a journal as sentences, one line each: for ``history``, and for ``watch`` where nobody sits before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.rollout.errors import some
from tidegate.rollout.event import Event

ACTS = {"apply": "gets the release", "confirm": "is being confirmed", "back": "goes back"}
ACTS_OF_MANY = {"apply": "get the release", "confirm": "are being confirmed", "back": "go back"}

OUTCOMES = {
    "ok": "ran it already",
    "changed": "confirmed",
    "applied": "applied, to be confirmed",
    "failed": "failed",
    "reverted": "undid it",
    "expired": "undid it, for nobody confirmed it in time",
}
GOOD = frozenset(("ok", "changed", "applied"))

MOST_REASONS = 3
"""Hosts that are named with their reason in one line; the others are counted."""


def sentence(event: Event) -> str:
    """What happened, in one line."""
    by = f" by {event.who}" if event.who else ""
    why = f": {event.why}" if event.why else ""
    return " ".join(f"{_TELL[event.kind](event.body)}{by}{why}".split())


def names(hosts: list[str] | None) -> str:
    """Some hosts by name; ``None`` is all."""
    return "every host" if hosts is None else some(hosts) or "no host"


def _started(body: Mapping[str, Any]) -> str:
    return "started"


def _approved(body: Mapping[str, Any]) -> str:
    return f"wave {body['wave']} approved"


def _retried(body: Mapping[str, Any]) -> str:
    return (
        "asked to try what was left behind again" if body["hosts"] is None else f"{names(body['hosts'])}: to try again"
    )


def _skipped(body: Mapping[str, Any]) -> str:
    return f"{names(body['hosts'])}: skipped"


def _rollback(body: Mapping[str, Any]) -> str:
    return (
        "rollback of everything asked for"
        if body["waves"] is None
        else f"rollback of {', '.join(body['waves'])} asked for"
    )


def _superseded(body: Mapping[str, Any]) -> str:
    return f"superseded: rollout {body['by']} has taken over"


def _checked(body: Mapping[str, Any]) -> str:
    problems = body["problems"]
    if not problems:
        return "every host was looked at, and is as it should be"
    return f"{_count(len(problems), 'host is', 'hosts are')} not as they should be: {_reasons(problems)}"


def _wave(body: Mapping[str, Any]) -> str:
    return f"wave {body['wave']} begins"


def _job(body: Mapping[str, Any]) -> str:
    hosts = body["hosts"]
    act = (ACTS if len(hosts) == 1 else ACTS_OF_MANY)[body["act"]]
    return f"{names(hosts)} {act} (wave {body['wave']}, job {body['jid']})"


def _returned(body: Mapping[str, Any]) -> str:
    by_outcome: dict[str, dict[str, str]] = {}
    for host, told in body["hosts"].items():
        by_outcome.setdefault(told["outcome"], {})[host] = told["reason"]
    parts = []
    for outcome, hosts in by_outcome.items():
        word = OUTCOMES.get(outcome, outcome)
        parts.append(f"{names(list(hosts))} {word}" if outcome in GOOD else f"{word}: {_reasons(hosts)}")
    return "; ".join(parts)


def _lost(body: Mapping[str, Any]) -> str:
    return f"unknown: {_reasons(body['hosts'])}"


def _judged(body: Mapping[str, Any]) -> str:
    verdicts = body["verdicts"]
    told = [f"{one['gate']} {_outcome(one)}{_because(one)}" for one in verdicts] or ["no gate said anything"]
    return f"wave {body['wave']}, round {body['round']}: {', '.join(told)}"


def _outcome(verdict: Mapping[str, Any]) -> str:
    return "goes on watching" if verdict.get("then") == "wait" else str(verdict["outcome"])


def _because(verdict: Mapping[str, Any]) -> str:
    return "" if verdict["outcome"] == "pass" else f" ({verdict['reason']})"


def _promoted(body: Mapping[str, Any]) -> str:
    return f"wave {body['wave']} promoted"


def _stopped(body: Mapping[str, Any]) -> str:
    return f"stopped: {body['reason']}"


def _reversing(body: Mapping[str, Any]) -> str:
    return f"rollback of {', '.join(body['waves'])} begins: {body['reason']}"


def _waiting(body: Mapping[str, Any]) -> str:
    return f"waits for {body['reason']}" if body["reason"] else "waits no longer"


def _finished(body: Mapping[str, Any]) -> str:
    return f"{body['status']}: {body['reason']}" if body["reason"] else str(body["status"])


_TELL: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "started": _started,
    "paused": lambda _: "paused",
    "resumed": lambda _: "resumed",
    "approved": _approved,
    "retried": _retried,
    "skipped": _skipped,
    "aborted": lambda _: "asked to abort",
    "rollback": _rollback,
    "superseded": _superseded,
    "checked": _checked,
    "wave": _wave,
    "job": _job,
    "returned": _returned,
    "lost": _lost,
    "judged": _judged,
    "promoted": _promoted,
    "stopped": _stopped,
    "reversing": _reversing,
    "waiting": _waiting,
    "finished": _finished,
}


def _reasons(hosts: Mapping[str, str]) -> str:
    told = [f"{host} ({reason})" if reason else host for host, reason in sorted(hosts.items())]
    more = f" and {len(told) - MOST_REASONS} more" if len(told) > MOST_REASONS else ""
    return ", ".join(told[:MOST_REASONS]) + more


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
