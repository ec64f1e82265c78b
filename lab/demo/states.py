"""What a highstate returned, read the way the demo speaks of it."""

from __future__ import annotations

from typing import Any


def of(told: Any, function: str) -> dict[str, Any]:
    """The return of the state ``module.function``.

    Raises:
        LookupError: the highstate has none; the message holds what Salt said instead.
    """
    if isinstance(told, dict):
        for key, state in told.items():
            words = key.split("_|-")
            if f"{words[0]}.{words[-1]}" == function:
                return dict(state)
    raise LookupError(f"no {function} in what the highstate returned: {told}")


def failed(told: Any) -> list[str]:
    """The comments of the states that failed of themselves, or what Salt said instead of running any."""
    if not isinstance(told, dict):
        return [str(told)]
    return [
        _short(str(state["comment"]))
        for state in sorted(told.values(), key=lambda state: state.get("__run_num__", 0))
        if state["result"] is False and not str(state["comment"]).startswith("One or more requisite failed")
    ]


def _short(comment: str) -> str:
    """A comment without the way an exception took."""
    head, trace, tail = comment.partition("Traceback (most recent call last)")
    return f"{head}{tail.rstrip().splitlines()[-1]}" if trace else comment


def changed(told: Any) -> list[str]:
    """The names of the states that changed anything."""
    return [state["name"] for state in told.values() if state["changes"]]


def seconds(told: Any) -> float:
    """How long the states took together."""
    return sum(float(state.get("duration", 0)) for state in told.values()) / 1000
