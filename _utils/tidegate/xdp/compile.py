"""The ``xdp`` section of one host's plan: its rules in order, and the interfaces on which they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.bpf.compile import matcher
from tidegate.xdp.section import FilteredInterface, Rule, XdpSection

if TYPE_CHECKING:
    from tidegate.policy import fleet
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
    return {
        "interfaces": [_filtered(name, interfaces[name]) for name in sorted(names)],
        "rules": policy.index.shared(("xdp", placed), lambda: _rules(policy, placed)),
        "management": {"neighbors": policy.index.neighbor_addresses(host)},
    }


def _filtered(name: str, interface: fleet.Interface) -> FilteredInterface:
    return {"name": name, "device": interface.device, "mode": interface.xdp}


def _rules(policy: Policy, placed: Placed) -> list[Rule]:
    return [_rule(policy, position, devices) for position, devices in placed]


def _rule(policy: Policy, position: int, devices: tuple[str, ...]) -> Rule:
    rule = policy.filtering.rules[position]
    return {
        "name": rule.name,
        "action": rule.action,
        "devices": list(devices),
        **matcher(rule, policy.index),
    }
