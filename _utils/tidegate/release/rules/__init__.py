"""What a release must not do to the fleet: named rules over its plans and over what they change."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.host.plan import Plan
from tidegate.policy.model import Policy
from tidegate.release.rules import announcing, artefacts, leaks, management, restarts, services, terms, waves
from tidegate.release.rules.rule import Case, Finding, Rule

RULES: dict[str, Rule] = {
    rule.name: rule
    for family in (services, terms, leaks, announcing, management, artefacts, restarts, waves)
    for rule in family.RULES
}
"""Every rule by name."""

NAMES = tuple(RULES)


def judge(policy: Policy, plans: Mapping[str, Plan], previous: Mapping[str, Plan] | None) -> list[Finding]:
    """Hold a release against every rule.

    Args:
        policy: What the plans were compiled from.
        plans: Host → its plan, the whole fleet.
        previous: Host → the plan it has now; ``None`` for the first release: rules about change then have nothing to say.

    Returns:
        A finding for everything that a rule objects to; none if the release is good.
    """
    case = Case(policy, plans, previous)
    return [
        Finding(rule.name, objection.reason, list(objection.where))
        for rule in RULES.values()
        if previous is not None or not rule.compares
        for objection in rule.objections(case)
    ]


__all__ = ["NAMES", "RULES", "Finding", "Rule", "judge"]
