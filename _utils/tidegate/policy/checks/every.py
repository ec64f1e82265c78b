"""All checks across the policy, in the order in which people would want to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tidegate.policy.checks import (
    balancing,
    filtering,
    fleet,
    gates,
    management,
    rollout,
    routing,
    selection,
    sessions,
    set_aside,
    shaping,
)
from tidegate.policy.errors import Problem
from tidegate.policy.validation import Draft

Check = Callable[[Draft], Iterator[Problem]]

CHECKS: tuple[Check, ...] = (
    fleet.check,
    selection.check,
    routing.check,
    sessions.check,
    filtering.check,
    balancing.check,
    shaping.check,
    management.check,
    rollout.check,
    gates.check,
)


def problems(draft: Draft) -> list[Problem]:
    """Every problem that any check finds, with paths as they were written."""
    return [_as_written(problem, draft) for check in CHECKS for problem in check(draft)] + list(set_aside.check(draft))


def _as_written(problem: Problem, draft: Draft) -> Problem:
    path = draft.written(problem.path)
    if path == problem.path:
        return problem
    return Problem(problem.message, path, problem.value, problem.expected, problem.hint)
