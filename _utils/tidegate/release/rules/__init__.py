"""What a release must not do to the fleet: named rules over its plans and over what they change."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.host.plan import Plan
from tidegate.policy.model import Policy
from tidegate.release.rules import (
    announcing,
    artefacts,
    control_plane,
    growth,
    leaks,
    management,
    pools,
    restarts,
    services,
    terms,
    waves,
)
from tidegate.release.rules.rule import Case, Finding, Rule

RULES: dict[str, Rule] = {
    rule.name: rule
    for family in (
        services,
        pools,
        control_plane,
        terms,
        leaks,
        announcing,
        management,
        artefacts,
        growth,
        restarts,
        waves,
    )
    for rule in family.RULES
}
"""Every rule by name."""

NAMES = tuple(RULES)


def judge(
    policy: Policy,
    plans: Mapping[str, Plan],
    previous: Mapping[str, Plan] | None,
    lately: Mapping[str, Plan] | None = None,
) -> list[Finding]:
    """Hold a release against every rule.

    Args:
        policy: What the plans were compiled from.
        plans: Host → its plan, the whole fleet.
        previous: Host → the plan it has now; ``None`` for the first release, of which rules about change
            have nothing to say.
        lately: Host → the plan it had a day ago, if that is another one.

    Returns:
        A finding for everything that a rule objects to; none if the release is good.
    """
    case = Case(policy, plans, previous, lately)
    asked = [rule for rule in RULES.values() if previous is not None or not rule.compares]
    return [finding for rule in asked for finding in _findings(rule, case)]


def _findings(rule: Rule, case: Case) -> list[Finding]:
    """What one rule objects to. Plans it cannot read are an objection too: not judged is not good."""
    try:
        return [Finding(rule.name, reason, list(where)) for reason, where in rule.objections(case)]
    except (LookupError, TypeError, ValueError) as error:
        return [Finding(rule.name, f"this could not be judged: {type(error).__name__}: {error}", [])]


__all__ = ["NAMES", "RULES", "Finding", "Rule", "judge"]
