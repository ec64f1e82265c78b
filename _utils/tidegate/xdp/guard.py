"""What keeps a mistake from lasting: memory before anything is loaded, and the first seconds under a drop budget."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal

from tidegate.balancing import maglev
from tidegate.bpf import memory as kernel_memory
from tidegate.bpf.slots import Slots
from tidegate.host.errors import Refused
from tidegate.xdp import counters, limits
from tidegate.xdp.budget import Reading, excess, has_budget
from tidegate.xdp.desired import Desired

WATCHED = 3.0
"""Seconds that new rules are watched for their drop budget before anything else is done."""
_BETWEEN = 0.1
BYTES_BALANCED = maglev.SIZE * 8
"""Of one balanced service: a word for each bucket."""
SIDES: tuple[Literal["source", "destination"], ...] = ("source", "destination")


def memory(desired: Desired) -> None:
    """Raises ``Refused`` if the tables would not fit beside those in force. They are made twice: once to be tried."""
    prefixes = sum(len(rule[side] or ()) for rule in desired["rules"] for side in SIDES)
    buckets = desired.get("tracked", 0) * limits.BYTES_TRACKED
    balanced = len(section["services"]) if (section := desired.get("balancing")) else 0
    needed = kernel_memory.of_prefixes(prefixes) + buckets + balanced * BYTES_BALANCED
    also = f" and balancing {balanced} services" if balanced else ""
    kernel_memory.ensure(needed, f"filtering by {prefixes} prefixes{also}")


def reading(maps: Mapping[str, int], desired: Desired) -> Reading:
    """The counters now, those of the generation's rules by name."""
    kept = counters.names(maps)
    rules = {rule["name"] for rule in desired["rules"]}
    return Reading(counters.totals(maps), {name: counters.of_rule(maps, kept[name]) for name in rules & kept.keys()})


def watch(maps: Mapping[str, int], slots: Slots, desired: Desired, before: Reading) -> None:
    """The first seconds under a drop budget; past it, the rules are taken back here and now."""
    rules, budget = desired["rules"], desired.get("drop_budget")
    if not has_budget(rules, budget) or slots.pending is None:
        return
    end = time.monotonic() + WATCHED
    while time.monotonic() < end:
        time.sleep(_BETWEEN)
        if why := excess(rules, budget, before, reading(maps, desired)):
            slots.settle()
            raise Refused(f"the filter rules were taken back: {why}")
