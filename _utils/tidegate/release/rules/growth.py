"""How much larger a set may become by one release: a tenfold one is a mistake at its source more often than growth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.host.plan import Plan
from tidegate.release.rules import budgets
from tidegate.release.rules.rule import Case, Objection, Rule

Sizes = dict[str, int]
"""What holds the entries → how many; of hosts that differ, the most."""


def set_growth(case: Case) -> Iterator[Objection]:
    """No set that routes are accepted by, and no condition's prefixes, grow tenfold by one release."""
    before = _sizes(case.earlier)
    for what, after in sorted(_sizes(case.plans).items()):
        # What is new has nothing to be compared with. A set that was empty counts as one entry: it let nothing in.
        if what in before and _multiplied(before[what], after):
            hosts = sorted(host for host, plan in case.plans.items() if what in _of(plan))
            times = f"{budgets.SET_GROWTH:g} times or more is refused"
            yield Objection(f"{what} grows from {before[what]} to {after} entries at once; {times}", hosts)


def _multiplied(before: int, after: int) -> bool:
    return after > budgets.SET_GROWTH_FREELY and after >= budgets.SET_GROWTH * max(before, 1)


def _sizes(plans: Mapping[str, Plan]) -> Sizes:
    found: Sizes = {}
    for plan in plans.values():
        for what, size in _of(plan).items():
            found[what] = max(size, found.get(what, 0))
    return found


def _of(plan: Plan) -> Sizes:
    """The sizes of everything in a plan that a set, or a file, may have filled."""
    document = plan.document
    section: Mapping[str, Any] = document["bird"] or {}
    sizes: Sizes = {
        f"routing set '{name}'": sum(len(entries) for entries in found.values())
        for name, found in section.get("sets", {}).items()
    }
    conditions = [(f"rule '{rule['name']}'", rule) for rule in document["xdp"]["rules"]]
    for tree in document["tc"]["interfaces"]:
        conditions += [(f"class '{c['name']}' of '{tree['name']}'", one) for c in tree["classes"] for one in c["match"]]
    for what, one in conditions:
        for end in ("source", "destination"):
            # Nothing stated means any, which has no size: to narrow it is not growth.
            if one[end] is not None:
                sizes[f"the {end} of {what}"] = sizes.get(f"the {end} of {what}", 0) + len(one[end])
    return sizes


RULES = (
    Rule(
        "set-growth",
        "No set of prefixes or AS numbers becomes ten times as large by one release.",
        "No published one: an IRR set that comes to name a transit provider's set lets in most of the Internet.",
        True,
        set_growth,
    ),
)
