"""The ``bird`` section of one host's plan: its sessions, and what it announces to each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from tidegate.bird.section import (
    BirdSection,
    Export,
    Family,
    Import,
    Neighbor,
    Service,
    ServiceCheck,
    ServiceHealth,
)

if TYPE_CHECKING:
    from tidegate.policy import routing
    from tidegate.policy.model import Policy

TABLE = 4210
"""The kernel table of the services' routes; no ip rule points at it, so it carries no traffic."""
HOLD = 10.0
"""Seconds for which a service must be well before it is announced again, where the policy does not say."""


def compile_section(policy: Policy, host: str) -> BirdSection | None:
    """What BIRD is to do on a host; ``None`` where the policy has no routing: BIRD is then left alone."""
    if policy.routing is None:
        return None
    neighbors = [_neighbor(policy, host, name) for name in policy.index.neighbors_of.get(host, ())]
    announced = {export["service"] for neighbor in neighbors for export in neighbor["export"]}
    return {
        "router_id": policy.fleet.hosts[host].router_id,
        "asn": policy.routing.asn,
        "table": TABLE,
        "services": [_service(policy, name) for name in sorted(announced)],
        "neighbors": neighbors,
    }


def protocol_name(neighbor: str) -> str:
    """A neighbor's name as a BIRD symbol: letters, digits and underscores, behind a prefix no keyword begins with."""
    return "peer_" + re.sub(r"[^A-Za-z0-9]", "_", neighbor)


def _neighbor(policy: Policy, host: str, name: str) -> Neighbor:
    session = policy.index.shared(("bird.session", name), lambda: _session(policy, name))
    connection = policy.index.connection(host, name)
    if connection is None:
        raise ValueError(f"{host} has no address towards neighbor {name}: compile only what check has passed")
    announcements = tuple(
        position
        for position in policy.index.announcements_of.get(host, ())
        if name in policy.index.recipients[position]
    )
    local, device = connection
    export = policy.index.shared(
        ("bird.export", announcements, session["family"]), lambda: _exports(policy, announcements, session["family"])
    )
    return {**session, "local": local, "device": device, "export": export}


def _session(policy: Policy, name: str) -> Neighbor:
    """What a session is on every host that has it; the host's own side is filled in later."""
    assert policy.routing is not None
    neighbor = policy.routing.neighbors[name]
    return {
        "name": name,
        "protocol": protocol_name(name),
        "description": neighbor.description or name,
        "address": neighbor.address,
        "local": "",
        "device": None,
        "family": _family(neighbor.address),
        "asn": neighbor.asn,
        "role": neighbor.role,
        "password": {"secret": neighbor.password.secret} if neighbor.password else None,
        "hold_time": neighbor.hold_time,
        "keepalive": neighbor.keepalive,
        "import_": _import(neighbor),
        "export": [],
    }


def _import(neighbor: routing.Neighbor) -> Import:
    bound = neighbor.import_.max_prefix
    return {
        "accept": neighbor.accepts,
        "max_prefix": {"limit": bound.limit, "action": bound.action} if bound else None,
        "local_pref": neighbor.import_.local_pref,
    }


def _exports(policy: Policy, announcements: tuple[int, ...], family: Family) -> list[Export]:
    """The announcements in a session's family; a service without prefixes in it is not announced there."""
    assert policy.routing is not None
    found: list[Export] = []
    for position in announcements:
        announcement = policy.routing.announcements[position]
        if prefixes := _service(policy, announcement.service)[family]:
            found.append(
                {
                    "service": announcement.service,
                    "prefixes": prefixes,
                    "communities": sorted(set(announcement.communities)),
                    "large_communities": sorted(set(announcement.large_communities)),
                    "prepend": announcement.prepend,
                    "med": announcement.med,
                }
            )
    return sorted(found, key=lambda export: export["service"])


def _service(policy: Policy, name: str) -> Service:
    return policy.index.shared(("bird.service", name), lambda: _whole(policy, name))


def _whole(policy: Policy, name: str) -> Service:
    assert policy.routing is not None
    service = _split(name, policy.index.targets[name])
    if (health := _health(policy.routing.services[name])) is not None:
        service["health"] = health
    return service


def _health(service: routing.Service) -> ServiceHealth | None:
    if service.check is None:
        return None
    return {
        "checks": [cast(ServiceCheck, check.settings()) for check in service.check],
        "hold": HOLD if service.hold_seconds is None else service.hold_seconds,
        "on_all_down": service.on_all_down or "withdraw",
        "on_checker_loss": service.on_checker_loss or "keep",
    }


def _split(name: str, prefixes: tuple[str, ...]) -> Service:
    chosen = sorted(set(prefixes))
    return {
        "name": name,
        "ipv4": [prefix for prefix in chosen if _family(prefix) == "ipv4"],
        "ipv6": [prefix for prefix in chosen if _family(prefix) == "ipv6"],
    }


def _family(text: str) -> Family:
    return "ipv6" if ":" in text else "ipv4"
