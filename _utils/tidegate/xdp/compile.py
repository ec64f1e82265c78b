"""The ``xdp`` section of one host's plan: its rules in order, and the interfaces on which they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.balancing import compile as balancing
from tidegate.bpf.compile import matcher
from tidegate.xdp.section import FilteredInterface, Guard, Limit, Rule, XdpSection

if TYPE_CHECKING:
    from tidegate.policy import fleet
    from tidegate.policy.limits import RateLimit
    from tidegate.policy.model import Policy

Placed = tuple[tuple[int, tuple[str, ...]], ...]
"""Positions of rules in the policy, each with the devices it stands on."""


def compile_section(policy: Policy, host: str) -> XdpSection:
    """What the filter does on a host; hosts with the same rules on the same devices share them.

    Interfaces that the host lacks are passed over: `check` refuses such a policy but looks at the rest of it.
    """
    interfaces = policy.fleet.hosts[host].interfaces
    rules = policy.filtering.rules
    placed: Placed = tuple(
        (position, tuple(sorted({interfaces[name].device for name in rules[position].interface if name in interfaces})))
        for position in policy.index.rules_of.get(host, ())
    )
    names = {name for position, _ in placed for name in rules[position].interface if name in interfaces}
    names |= balancing.devices(policy, host)
    compiled = policy.index.shared(("xdp", placed), lambda: _rules(policy, placed))
    section: XdpSection = {
        "interfaces": [_filtered(name, interfaces[name]) for name in sorted(names)],
        "rules": compiled,
        "management": {"neighbors": policy.index.neighbor_addresses(host)},
        **_guard(policy, compiled),
    }
    if (balanced := balancing.compile_section(policy, host)) is not None:
        section["balancing"] = balanced
    return section


def _guard(policy: Policy, compiled: list[Rule]) -> Guard:
    """What a host without rules, or without such rules, need not know is left out."""
    guard: Guard = {}
    if any("limit" in rule and rule["limit"]["per"] != "rule" for rule in compiled):
        guard["tracked"] = policy.filtering.tracked
    if compiled and (budget := policy.filtering.drop_budget_share) is not None:
        guard["drop_budget"] = budget
    return guard


def _filtered(name: str, interface: fleet.Interface) -> FilteredInterface:
    return {"name": name, "device": interface.device, "mode": interface.xdp}


def _rules(policy: Policy, placed: Placed) -> list[Rule]:
    return [_rule(policy, position, devices) for position, devices in placed]


def _rule(policy: Policy, position: int, devices: tuple[str, ...]) -> Rule:
    rule = policy.filtering.rules[position]
    compiled: Rule = {
        "name": rule.name,
        "action": rule.action,
        "devices": list(devices),
        **matcher(rule, policy.index, rule.dscp),  # type: ignore[typeddict-item]
    }
    if rule.limit is not None:
        compiled["limit"] = _limit(rule.limit)
    if rule.mark is not None:
        compiled["mark"] = rule.mark
    if (budget := rule.drop_budget_share) is not None:
        compiled["drop_budget"] = budget
    return compiled


def _limit(limit: RateLimit) -> Limit:
    unit, rate = limit.amount
    return {"rate": rate, "unit": unit, "burst": limit.full, "per": limit.keyed_by, "lengths": limit.lengths}
