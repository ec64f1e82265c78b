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


def excess(rules: list[Rule], budget: float, before: Reading, now: Reading) -> str | None:
    """Why the rules in force are beyond the budget, or ``None`` if they are not, or if it is too early to tell.

    Args:
        rules: The new rules.
        budget: The share of packets, 0 to 1, that they may drop beyond the share dropped before.
        before: Counters when they were put in force. What was dropped until then is what is usual.
        now: Counters later on.
    """
    dropped, judged = (after - earlier for after, earlier in zip(_dropped(now), _dropped(before), strict=True))
    if judged < JUDGED_FROM:
        return None
    usual = _share(*_dropped(before))
    share = _share(dropped, judged)
    if share - usual <= budget:
        return None
    figures = (
        f"{share:.0%} of {judged} packets are dropped, {usual:.0%} were before; the budget allows {budget:.0%} more"
    )
    return f"{figures}; {_culprit(rules, before, now)}"


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
