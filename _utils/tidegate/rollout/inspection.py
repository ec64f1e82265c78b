"""The look at every host before a rollout begins: nothing starts over what nobody can explain. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tidegate.release.operations import Operation

MOST_TEXT = 200
"""Characters of what a host wrote that go into the journal."""


def problems(
    hosts: Collection[str], reports: Mapping[str, Any], unknown: int, operations: Iterable[Operation]
) -> dict[str, str]:
    """Why the rollout should not begin.

    Args:
        hosts: Who was asked.
        reports: Host → its ``traffic.report``; who is silent is missing.
        unknown: Silent hosts that the budget allows: so many are no problem, they will be unknown in their wave.
        operations: Those in effect: an adopted drift is explained.

    Returns:
        Host → reason, sorted; empty is good.
    """
    adopted = {
        (operation.target.get("host"), operation.settings.get("drift"))
        for operation in operations
        if operation.kind == "adopt"
    }
    silent = [host for host in hosts if host not in reports]
    found = {host: _wrong(host, reports[host], adopted) for host in hosts if host in reports}
    if len(silent) > unknown:
        found.update(dict.fromkeys(silent, f"does not answer (the budget allows {unknown} of these)"))
    return {host: found[host] for host in sorted(found) if found[host]}


def _wrong(host: str, report: Any, adopted: Collection[tuple[str | None, Any]]) -> str:
    try:
        if report["left_alone"]:
            return ""
        pending = report["pending"]
        # Another rollout's change is not here any more, or will be undone: it was superseded, or its engine died.
        if pending and not pending["owner"]:
            return f"somebody is changing it: generation {_brief(pending['generation'], 12)} waits to be confirmed"
        if report["drift"] and (host, report["drift_id"]) not in adopted:
            return f"was changed by hand: {_drift(report['drift'])}; see 'tidegate drift'"
    except (KeyError, TypeError, AttributeError, ValueError):
        return f"answers what is no report: {_brief(report)}"
    return ""


def _drift(drift: Mapping[str, list[str]]) -> str:
    return _brief("; ".join(f"{name}: {lines[0] if lines else 'something'}" for name, lines in sorted(drift.items())))


def _brief(what: object, most: int = MOST_TEXT) -> str:
    text = " ".join(str(what).split())
    return text if len(text) <= most else f"{text[:most]}…"
