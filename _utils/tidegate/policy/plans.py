"""From a policy to plans: pure, deterministic, and quick enough for ten thousand hosts."""

from __future__ import annotations

from typing import Any

from tidegate.bird import compile as bird
from tidegate.host.plan import SCHEMA, Plan, canonical, joined, seal
from tidegate.policy.model import Policy
from tidegate.tc import compile as tc
from tidegate.tc.section import TcSection
from tidegate.xdp import compile as xdp
from tidegate.xdp.section import XdpSection


def compile_host(policy: Policy, host: str) -> Plan:
    """One host's plan. Plans share parts with each other: whoever receives one must not change it.

    Raises:
        KeyError: The fleet does not list the host.
    """
    shaping, filtering = tc.compile_section(policy, host), xdp.compile_section(policy, host)
    document = {
        "schema": SCHEMA,
        "host": host,
        "labels": policy.index.labels[host],
        "bird": bird.compile_section(policy, host),
        "tc": shaping,
        "xdp": filtering,
    }
    return seal(document, _spelt(policy, shaping, filtering))


def compile_fleet(policy: Policy) -> dict[str, Plan]:
    """Every host's plan, by host, in the order of their names."""
    return {host: compile_host(policy, host) for host in sorted(policy.fleet.hosts)}


def _spelt(policy: Policy, shaping: TcSection, filtering: XdpSection) -> dict[str, str]:
    """The canonical form of what hosts share, spelt once: two thirds of a digest's cost."""

    def once(part: Any) -> str:
        # The index keeps what it shares for as long as it lives, so an id stays one part's.
        return policy.index.shared(("spelt", id(part)), lambda: canonical(part))

    own = {key: canonical(part) for key, part in filtering.items() if key != "rules"}
    return {"tc": once(shaping), "xdp": joined({**own, "rules": once(filtering["rules"])})}
