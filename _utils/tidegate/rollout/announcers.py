"""Who announces what: the services of a host, and the announcements that a change takes away. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.host.plan import Plan
from tidegate.policy.addresses import family
from tidegate.release.delta.reach import effective, held

if TYPE_CHECKING:
    from tidegate.policy.model import Policy


Announced = dict[tuple[str, str], str]
"""(neighbor, prefix) → the service that announces it."""


def announced(plan: Plan | None) -> Announced:
    """All that a host announces; nothing without a plan, or where BIRD is left alone."""
    section = plan.bird if plan else None
    if section is None:
        return {}
    own = held(section)
    return {
        (neighbor["name"], prefix): export["service"]
        for neighbor in section["neighbors"]
        for prefix, export in effective(neighbor, own)
    }


def services(plan: Plan | None) -> set[str]:
    """The services that a host announces to anyone."""
    return set(announced(plan).values())


def services_of(policy: Policy, host: str) -> set[str]:
    """The services that a host announces by the plan that the policy gives it, without compiling that."""
    if policy.routing is None:
        return set()
    index, routing = policy.index, policy.routing
    own = index.neighbors_of.get(host, ())
    found = set()
    for position in index.announcements_of.get(host, ()):
        name = routing.announcements[position].service
        if name not in found:
            recipients = index.recipients[position]
            families = {kind for one in own if one in recipients for kind in index.neighbors[one].spoken}
            if any(f"ipv{family(prefix)}" in families for prefix in index.targets[name]):
                found.add(name)
    return found
