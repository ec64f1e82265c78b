"""The drop budget: how much more new rules may drop than was dropped before they came. Pure."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.xdp.counters import RuleTally, Tally
from tidegate.xdp.section import Rule

JUDGED_FROM = 200
"""Packets: fewer say nothing about a share."""


class Reading(NamedTuple):
    """Counters at one moment."""

    totals: dict[str, Tally]
    rules: dict[str, RuleTally]


def has_budget(rules: list[Rule], budget: float | None) -> bool:
    """Whether there is anything to watch for."""
    return budget is not None or any("drop_budget" in rule for rule in rules)


def excess(rules: list[Rule], budget: float | None, before: Reading, now: Reading) -> str | None:
    """Why the rules in force are beyond a budget, or ``None`` if they are not, or if it is too early to tell.

    Args:
        rules: The new rules, some of them with budgets of their own.
        budget: The share of packets, 0 to 1, that they may drop together beyond the share dropped before.
        before: Counters when they were put in force. What was dropped until then is what is usual.
        now: Counters later on.
    """
    dropped, judged = (after - earlier for after, earlier in zip(_dropped(now), _dropped(before), strict=True))
    if judged < JUDGED_FROM:
        return None
    usual = _share(*_dropped(before))
    if budget is not None and _share(dropped, judged) - usual > budget:
        return f"{_figures(dropped, judged, usual, budget)}; {_culprit(rules, before, now)}"
    found = (_excess_of(rule, judged, before, now) for rule in rules if "drop_budget" in rule)
    return next(filter(None, found), None)


def _excess_of(rule: Rule, judged: int, before: Reading, now: Reading) -> str | None:
    """Why one rule is beyond its own budget."""
    dropped, usual = _drops(rule, now) - _drops(rule, before), _share(_drops(rule, before), _dropped(before)[1])
    if _share(dropped, judged) - usual <= rule["drop_budget"]:
        return None
    return f"{_figures(dropped, judged, usual, rule['drop_budget'])}; all of them by rule {rule['name']!r}"


def _figures(dropped: int, judged: int, usual: float, budget: float) -> str:
    share = _share(dropped, judged)
    return f"{share:.0%} of {judged} packets are dropped, {usual:.0%} were before; the budget allows {budget:.0%} more"


def _culprit(rules: list[Rule], before: Reading, now: Reading) -> str:
    most = max(
        ((_drops(rule, now) - _drops(rule, before), rule["name"]) for rule in rules if rule["action"] != "count-only"),
        default=(0, ""),
    )
    return f"most by rule {most[1]!r}: {most[0]}" if most[0] > 0 else "none by a rule: the packets hide their protocol"


def _drops(rule: Rule, reading: Reading) -> int:
    tally = reading.rules.get(rule["name"])
    if tally is None or rule["action"] not in ("drop", "limit"):
        return 0
    return tally.packets if rule["action"] == "drop" else tally.over_packets


def _dropped(reading: Reading) -> tuple[int, int]:
    """Dropped, and judged at all."""
    dropped = reading.totals["dropped"].packets
    return dropped, dropped + reading.totals["passed"].packets


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
