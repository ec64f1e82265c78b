"""The difference between two releases as text: what stands in the plans, line by line, once for hosts that share it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tidegate.host.plan import Plan

Spelling = Callable[[Plan], str]
"""How a plan is written as text."""


@dataclass(frozen=True)
class Difference:
    """Lines of a unified diff, without its head, and the hosts that have exactly these."""

    hosts: tuple[str, ...]
    lines: tuple[str, ...]


def pretty(plan: Plan) -> str:
    """A plan laid out for reading, without the digest, which differs whenever anything does."""
    document = {key: value for key, value in plan.document.items() if key != "digest"}
    return json.dumps(document, indent=2, ensure_ascii=False)


def differences(before: Mapping[str, Plan], after: Mapping[str, Plan], spelling: Spelling = pretty) -> list[Difference]:
    """What differs, in the order of the first host that has it; a host that one side lacks is all new or all gone."""
    found: dict[tuple[str, ...], list[str]] = {}
    for host in sorted(before.keys() | after.keys()):
        old, new = before.get(host), after.get(host)
        if old and new and old.digest == new.digest:
            continue
        left, right = (spelling(plan).splitlines() if plan else [] for plan in (old, new))
        # Not where it stands: the same change stands deeper in a host with more sessions.
        lines = tuple("@@" if line[:2] == "@@" else line for line in difflib.unified_diff(left, right, lineterm=""))[2:]
        if lines:
            found.setdefault(lines, []).append(host)
    return [Difference(tuple(hosts), lines) for lines, hosts in found.items()]
