"""What a host's return means. Only the words and the digest that were expected are success; all else is not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tidegate.rollout.event import Act, HostOutcome

_STAGED = "_|-staged"
_SHORT = 12
_PLAN = re.compile(r"\(plan ([0-9a-f]{12})\)")


def read(act: Act, returned: Any, expected: str) -> tuple[HostOutcome, str]:
    """What became of a host, and why.

    Args:
        act: What the job was to do.
        returned: What the host's function returned, whatever it is: a host may be broken, or hostile.
        expected: The digest of the plan that the host is to run.
    """
    try:
        return _confirmed(returned, expected) if act == "confirm" else _applied(act, returned, expected)
    except (KeyError, TypeError, AttributeError, ValueError):
        return "failed", f"it returned something that no {act} returns: {_brief(returned)}"


def _applied(act: Act, returned: Any, expected: str) -> tuple[HostOutcome, str]:
    if not isinstance(returned, Mapping) or not returned:
        return "failed", f"no states ran: {_brief(returned)}"
    failed = [state for state in returned.values() if state["result"] is not True]
    if failed:
        first = min(failed, key=lambda state: int(state.get("__run_num__", 0)))
        comment = _brief(first["comment"])
        return ("reverted" if "undone" in comment else "failed"), comment
    staged = next((state for key, state in returned.items() if key.endswith(_STAGED)), None)
    if staged is None:
        return "failed", "no traffic.staged ran: is salt/traffic of Tidegate in the master's file_roots?"
    if act == "apply" and (another := _another(str(staged["comment"]), expected)):
        return "expired", another
    if not staged["changes"]:
        return "ok", str(staged["comment"])
    return ("applied" if act == "apply" else "changed"), str(staged["comment"])


def _another(comment: str, expected: str) -> str:
    """Why what was staged is not what this job is about, or nothing.

    A master that cannot read its store serves the last good plan. Nothing is wrong with the host then, and it is tried
    once more.
    """
    told = _PLAN.search(comment)
    if told is None:
        return f"it does not say which plan it staged: {_brief(comment)}"
    if told[1] != expected[:_SHORT]:
        return f"the master gave it plan {told[1]}, and was to give {expected:.{_SHORT}}: could it not read its store?"
    return ""


def _confirmed(returned: Any, expected: str) -> tuple[HostOutcome, str]:
    outcome, reason = returned["outcome"], str(returned["reason"])
    runs = returned["report"]["plan"]
    match outcome:
        case "confirmed" | "nothing" if runs == expected == returned["report"]["confirmed"]:
            return "changed", reason
        case "confirmed" | "nothing":
            return "failed", f"it says that it runs plan {runs!s:.{_SHORT}}, and was to run {expected:.{_SHORT}}"
        case "expired":
            return "expired", reason
        case "failed" if runs != expected:
            return "reverted", reason
    return "failed", reason


def _brief(what: Any, most: int = 300) -> str:
    text = " ".join(map(str, what)) if isinstance(what, list) else str(what)
    return text if len(text) <= most else f"{text[:most]}…"
