"""How much of what is announced may change at once, counted in (PoP, prefix) pairs."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.release.delta.reach import pairs
from tidegate.release.rules import budgets
from tidegate.release.rules.rule import Case, Objection, Rule


def withdrawal_budget(case: Case) -> Iterator[Objection]:
    """No more than a share of all that is announced is withdrawn."""
    before, after = pairs(case.earlier_reach), pairs(case.reach)
    gone = before - after
    if len(gone) > budgets.most(budgets.WITHDRAWN, len(before), 1):
        share = f"{len(gone)} of {len(before)} (PoP, prefix) pairs are withdrawn, {len(gone) / len(before):.0%}"
        yield Objection(f"{share}; {budgets.WITHDRAWN:.0%} are allowed at once", _spelt(gone))


def withdrawal_rate(case: Case) -> Iterator[Objection]:
    """A release that withdraws anything does not add up with those of the last day to more than a share of it all."""
    before, after = pairs(case.reach_of_a_day_ago), pairs(case.reach)
    gone, now = before - after, pairs(case.earlier_reach) - after
    if now and len(gone) > budgets.most(budgets.WITHDRAWN_LATELY, len(before), 2):
        hours = budgets.LATELY.total_seconds() / 3600
        share = f"{len(gone)} of {len(before)} (PoP, prefix) pairs are withdrawn, {len(gone) / len(before):.0%}"
        limit = f"{budgets.WITHDRAWN_LATELY:.0%} are allowed within {hours:g} hours"
        yield Objection(f"with the releases before it {share}; {limit}", _spelt(gone))


def announcement_budget(case: Case) -> Iterator[Objection]:
    """No more than a share of all that is announced is added to it."""
    before, after = pairs(case.earlier_reach), pairs(case.reach)
    new = after - before
    # A fleet that announces nothing yet has to begin somewhere.
    if before and len(new) > budgets.most(budgets.ANNOUNCED, len(before), budgets.ANNOUNCED_FREELY):
        share = f"{len(new)} (PoP, prefix) pairs are added to {len(before)}, {len(new) / len(before):.0%}"
        yield Objection(f"{share}; {budgets.ANNOUNCED:.0%} are allowed at once", _spelt(new))


def _spelt(found: set[tuple[str, str]]) -> list[str]:
    return [f"{pop} {prefix}" for pop, prefix in sorted(found)]


RULES = (
    Rule(
        "withdrawal-budget",
        "One release withdraws no more than a tenth of what is announced.",
        "Cloudflare 2026-02-20: a missing value meant all, and prefixes were withdrawn too many and too fast.",
        True,
        withdrawal_budget,
    ),
    Rule(
        "withdrawal-rate",
        "The releases of a day together withdraw no more than a fifth of what is announced.",
        "Cloudflare 2026-02-20: prefixes were withdrawn too many and too fast, each of them within its own limit.",
        True,
        withdrawal_rate,
    ),
    Rule(
        "announcement-budget",
        "One release adds no more than half of what is announced.",
        "Cloudflare 2026-01-22: a change that was to announce less announced more.",
        True,
        announcement_budget,
    ),
)
