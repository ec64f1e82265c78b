"""Rules speak of sets that exist and of packets that can exist, and are not more than the data path holds."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.bpf.compile import MOST_ENTRIES
from tidegate.policy.checks.conditions import conditions
from tidegate.policy.errors import Problem
from tidegate.policy.validation import Draft

RULES = ("filtering", "rules")


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of sets and rules."""
    services = draft.names("routing", "services")
    for name in draft.policy.filtering.sets:
        if name in services:
            path = ("filtering", "sets", name)
            yield Problem("a service has this name too", path, expected="a name that means one thing to every rule")
    first: dict[str, int] = {}
    for position, rule in enumerate(draft.policy.filtering.rules):
        if rule.name in first:
            other = draft.written((*RULES, first[rule.name]))[-1]
            yield Problem(
                f"rules[{other}] has this name too", (*RULES, position, "name"), rule.name, "a name used once"
            )
        first.setdefault(rule.name, position)
        yield from conditions(draft, rule, (*RULES, position))
    yield from _too_many(draft)


def _too_many(draft: Draft) -> Iterator[Problem]:
    crowded = {host: len(rules) for host, rules in draft.policy.index.rules_of.items() if len(rules) > MOST_ENTRIES}
    if crowded:
        host = max(sorted(crowded), key=lambda name: crowded[name])
        hint = "Join rules that differ in prefixes or ports alone: each may name many."
        yield Problem(
            f"{host} has {crowded[host]} rules", RULES, expected=f"at most {MOST_ENTRIES} on a host", hint=hint
        )
