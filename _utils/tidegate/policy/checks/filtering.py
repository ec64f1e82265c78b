"""Rules speak of sets that exist and of packets that can exist, and are not more than the data path holds."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.bpf.compile import MOST_ENTRIES, matcher
from tidegate.bpf.covers import covers
from tidegate.bpf.section import Matcher
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
    yield from _shadowed(draft)


def _shadowed(draft: Draft) -> Iterator[Problem]:
    """Rules that no packet reaches on any of their hosts, because an earlier one decides about all that they say."""
    rules, index = draft.policy.filtering.rules, draft.policy.index
    matchers = [matcher(rule, index, rule.dscp) for rule in rules]
    reached: set[int] = set()
    behind: dict[int, int] = {}
    for positions in dict.fromkeys(tuple(positions) for positions in index.rules_of.values()):
        for number, position in enumerate(positions):
            if position in reached:
                continue
            by = next((one for one in positions[:number] if _hides(draft, matchers, one, position)), None)
            if by is None:
                reached.add(position)
            else:
                behind[position] = by
    for position, by in sorted(behind.items()):
        if position not in reached:
            message = f"the rule can never match: '{rules[by].name}' before it decides about all of its packets"
            hint = "Put it before that rule, narrow that one, or take it out."
            yield Problem(message, (*RULES, position, "name"), rules[position].name, "a rule packets reach", hint)


def _hides(draft: Draft, matchers: list[Matcher], earlier: int, later: int) -> bool:
    first, second = draft.policy.filtering.rules[earlier], draft.policy.filtering.rules[later]
    return (
        first.action in ("allow", "drop")
        and set(second.interface) <= set(first.interface)
        and covers(matchers[earlier], matchers[later])
    )


def _too_many(draft: Draft) -> Iterator[Problem]:
    crowded = {host: len(rules) for host, rules in draft.policy.index.rules_of.items() if len(rules) > MOST_ENTRIES}
    if crowded:
        host = max(sorted(crowded), key=lambda name: crowded[name])
        hint = "Join rules that differ in prefixes or ports alone: each may name many."
        yield Problem(
            f"{host} has {crowded[host]} rules", RULES, expected=f"at most {MOST_ENTRIES} on a host", hint=hint
        )
