"""No rule drops what keeps a host reachable: its BGP sessions and neighbour discovery.

The host's allow-list would let those packets through all the same. But a rule that relies on that is a mistake in
someone's head, and the next host that has the rule may lack the allow-list's entry.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.policy.errors import Problem
from tidegate.policy.validation import Draft
from tidegate.xdp.compile import compile_section
from tidegate.xdp.verdict import management_packets, verdict


def check(draft: Draft) -> Iterator[Problem]:
    """One problem for each rule that drops management packets, with the first host and packet hit."""
    policy = draft.policy
    positions = {rule.name: position for position, rule in reversed(list(enumerate(policy.filtering.rules)))}
    reported: set[str] = set()
    for host in sorted(policy.index.rules_of):
        interfaces = policy.fleet.hosts[host].interfaces
        section = compile_section(policy, host)
        if not any(rule["action"] == "drop" for rule in section["rules"]):
            continue
        addresses = {interface.device: interface.addresses for interface in interfaces.values()}
        for flow in management_packets(section, addresses):
            action, name = verdict(section, flow.packet)
            if action == "drop" and name is not None and name not in reported:
                reported.add(name)
                packet = flow.packet
                message = f"rule '{name}' would drop {flow.name} on {host}"
                hint = (
                    f"The packet: {packet.src} → {packet.dst} on {packet.device}. Allow it in a rule before this one."
                )
                path = ("filtering", "rules", positions[name])
                yield Problem(message, path, expected="a rule that spares BGP and neighbour discovery", hint=hint)
