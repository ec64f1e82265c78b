"""From a policy to plans: pure, deterministic, and quick enough for ten thousand hosts."""

from __future__ import annotations

from tidegate.bird import compile as bird
from tidegate.host.plan import SCHEMA, Plan, seal
from tidegate.policy.model import Policy
from tidegate.tc import compile as tc
from tidegate.xdp import compile as xdp


def compile_host(policy: Policy, host: str) -> Plan:
    """One host's plan. Plans share parts with each other: whoever receives one must not change it.

    Raises:
        KeyError: The fleet does not list the host.
    """
    return seal(
        {
            "schema": SCHEMA,
            "host": host,
            "labels": policy.index.labels[host],
            "bird": bird.compile_section(policy, host),
            "tc": tc.compile_section(policy, host),
            "xdp": xdp.compile_section(policy, host),
        }
    )


def compile_fleet(policy: Policy) -> dict[str, Plan]:
    """Every host's plan, by host, in the order of their names."""
    return {host: compile_host(policy, host) for host in sorted(policy.fleet.hosts)}
