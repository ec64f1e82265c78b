"""The effective announcements of plans: which prefix goes out where, as BIRD decides and not as terms are written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.bird.section import BirdSection, Export, Neighbor, families
from tidegate.host.plan import Plan

Reach = dict[str, dict[str, set[str]]]
"""Service → prefix → the PoPs that announce it."""


def held(section: BirdSection) -> set[str]:
    """The prefixes that a host originates: those of its services, and aggregates of services that it has."""
    services = {service["name"] for service in section["services"]}
    aggregates = {one["prefix"] for one in section.get("aggregates", []) if one["of"] in services}
    return aggregates | {prefix for service in section["services"] for prefix in (*service["ipv4"], *service["ipv6"])}


def effective(neighbor: Neighbor, own: set[str]) -> Iterator[tuple[str, Export]]:
    """The prefixes that a neighbor is told of, each with the term that decides.

    A prefix goes out if the host originates it and it is of a family that the session carries. The first term that
    names it decides; ``bird/neighbor.j2`` joins the terms by ``||`` and each accepts exactly its own prefixes.
    """
    told: set[str] = set()
    spoken = families(neighbor)
    for export in neighbor["export"]:
        for prefix in export["prefixes"]:
            if prefix in own and prefix not in told and ("ipv6" if ":" in prefix else "ipv4") in spoken:
                told.add(prefix)
                yield prefix, export


def reach(plans: Mapping[str, Plan]) -> Reach:
    """Where every prefix of every service is announced to anyone."""
    found: Reach = defaultdict(lambda: defaultdict(set))
    for plan in plans.values():
        section: BirdSection | None = plan.document["bird"]
        if section is None:
            continue
        own, pop = held(section), plan.document["labels"]["pop"]
        for neighbor in section["neighbors"]:
            for prefix, export in effective(neighbor, own):
                found[export["service"]][prefix].add(pop)
    return {service: dict(prefixes) for service, prefixes in found.items()}


def pairs(found: Reach) -> set[tuple[str, str]]:
    """(PoP, prefix) for all that is announced."""
    return {(pop, prefix) for prefixes in found.values() for prefix, pops in prefixes.items() for pop in pops}


def pops_of(found: Reach, service: str) -> set[str]:
    """The PoPs that announce any prefix of a service."""
    prefixes: Mapping[str, Any] = found.get(service, {})
    return set().union(*prefixes.values())
