"""What a rule is, what it is given, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from tidegate.host.plan import Plan
from tidegate.policy.model import Policy
from tidegate.release.delta import Delta, delta
from tidegate.release.delta.reach import Reach, reach


@dataclass(frozen=True)
class Finding:
    """What one rule objects to in a release.

    Attributes:
        rule: The rule's name.
        reason: What is wrong, in one sentence with figures.
        where: The hosts, PoPs or terms it is about, all of them.
    """

    rule: str
    reason: str
    where: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"rule": self.rule, "reason": self.reason, "where": list(self.where)}


class Objection(NamedTuple):
    """A finding before its rule's name is put to it."""

    reason: str
    where: Iterable[str]


@dataclass(frozen=True)
class Case:
    """One release to be judged. What several rules ask is worked out once.

    Attributes:
        policy: What the plans were compiled from.
        plans: Host → plan with this release.
        previous: Host → plan now; ``None`` before the first release.
        lately: Host → plan a day ago (`budgets.LATELY`), if that is not ``previous``.
    """

    policy: Policy
    plans: Mapping[str, Plan]
    previous: Mapping[str, Plan] | None
    lately: Mapping[str, Plan] | None = None

    @property
    def earlier(self) -> Mapping[str, Plan]:
        """The plans that hosts have now; none before the first release."""
        return self.previous if self.previous is not None else {}

    @cached_property
    def reach(self) -> Reach:
        """Where everything is announced with this release."""
        return reach(self.plans)

    @cached_property
    def earlier_reach(self) -> Reach:
        """Where everything is announced now."""
        return reach(self.earlier)

    @cached_property
    def reach_of_a_day_ago(self) -> Reach:
        """Where everything was announced before the releases of the last day."""
        return self.earlier_reach if self.lately is None else reach(self.lately)

    @cached_property
    def delta(self) -> Delta:
        """What the release changes."""
        return delta(self.earlier, self.plans)


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        reason: Why it is there, in one line.
        outage: Where not having it hurt.
        compares: Whether it is about what changes: it then needs an earlier release.
        objections: The rule itself, a pure function.
    """

    name: str
    reason: str
    outage: str
    compares: bool
    objections: Callable[[Case], Iterable[Objection]]
