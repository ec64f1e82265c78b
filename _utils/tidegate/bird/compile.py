"""The ``bird`` section of one host's plan: its sessions, and what it announces to each."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, cast

from tidegate.bird.imports import bound, imported, sets_of
from tidegate.bird.options import options
from tidegate.bird.section import (
    Action,
    Aggregate,
    BirdSection,
    Cache,
    Export,
    Family,
    ImportPolicy,
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
MAX_SYMBOL = 60
"""Letters of a protocol's name; BIRD allows 64."""
HOLD = 10.0
"""Seconds for which a service must be well before it is announced again, where the policy does not say."""

OPPOSITE: dict[str, Literal["provider", "customer", "peer", "rs_server", "rs_client"]] = {
    "provider": "customer",
    "customer": "provider",
    "peer": "peer",
    "rs": "rs_client",
    "rs-client": "rs_server",
}
"""What a neighbor is to us → what we are to it, in BIRD's words (RFC 9234, section 4)."""


def compile_section(policy: Policy, host: str) -> BirdSection | None:
    """What BIRD is to do on a host; ``None`` where the policy has no routing: BIRD is then left alone."""
    if policy.routing is None:
        return None
    neighbors = [_neighbor(policy, host, name) for name in policy.index.neighbors_of.get(host, ())]
    announced = {export["service"] for neighbor in neighbors for export in neighbor["export"]}
    aggregates = [_aggregate(policy, name) for name in sorted(announced) if name in policy.routing.aggregates]
    # What contributes must be there to contribute, announced by itself or not.
    announced = announced - set(policy.routing.aggregates) | {one["of"] for one in aggregates}
    section: BirdSection = {
        "router_id": policy.fleet.hosts[host].router_id,
        "asn": policy.routing.asn,
        "table": TABLE,
        "services": [_service(policy, name) for name in sorted(announced)],
        "neighbors": neighbors,
    }
    if policies := _policies(policy, host):
        section["policies"] = policies
    if aggregates:
        section["aggregates"] = aggregates
    if caches := [_cache(policy, name) for name in policy.index.caches_of.get(host, ())]:
        section["caches"] = caches
    if sets := sets_of(policy, neighbors):
        section["sets"] = sets
    return section


def _policies(policy: Policy, host: str) -> dict[str, ImportPolicy]:
    """The checks that the host's neighbors share, by name."""
    found: dict[str, ImportPolicy] = {}
    for name in policy.index.neighbors_of.get(host, ()):
        found |= _shared(policy, host, name)[1]
    return dict(sorted(found.items()))


def _aggregate(policy: Policy, name: str) -> Aggregate:
    assert policy.routing is not None
    aggregate = policy.routing.aggregates[name]
    inside = policy.index.contributing(name)
    if not inside:
        raise ValueError(f"aggregate {name} holds nothing of {aggregate.of}: compile only what check has passed")
    return {"name": name, "prefix": aggregate.prefix, "of": aggregate.of, "via": inside[0].partition("/")[0]}


def _cache(policy: Policy, name: str) -> Cache:
    assert policy.routing is not None and policy.routing.rpki is not None
    cache = policy.routing.rpki.caches[name]
    return {
        "name": name,
        "protocol": "cache_" + re.sub(r"[^A-Za-z0-9]", "_", name),
        "address": cache.address,
        "port": cache.port,
        "refresh": cache.refresh,
        "retry": cache.retry,
        "expire": cache.expire,
    }


def protocol_name(neighbor: str) -> str:
    """A neighbor's name as a BIRD symbol: letters, digits and underscores, behind a prefix no keyword begins with.

    What is longer than BIRD allows ends in a digest of the whole.
    """
    name = "peer_" + re.sub(r"[^A-Za-z0-9]", "_", neighbor)
    return name if len(name) <= MAX_SYMBOL else f"{name[: MAX_SYMBOL - 9]}_{sha256(neighbor.encode()).hexdigest()[:8]}"


def _neighbor(policy: Policy, host: str, name: str) -> Neighbor:
    session, checks = _shared(policy, host, name)
    connection = policy.index.connection(host, name)
    if connection is None:
        raise ValueError(f"{host} has no address towards neighbor {name}: compile only what check has passed")
    announcements = tuple(
        position
        for position in policy.index.announcements_of.get(host, ())
        if name in policy.index.recipients[position]
    )
    local, device = connection
    spoken = policy.index.neighbors[name].spoken
    export = policy.index.shared(
        ("bird.export", announcements, spoken), lambda: _exports(policy, announcements, spoken)
    )
    own: Neighbor = {**session, "local": local, "device": device, "export": export}
    if any(one.get("next_hop") == "link" for one in checks.values()):
        own["link"] = policy.index.link(host, name)
    return own


def _shared(policy: Policy, host: str, name: str) -> tuple[Neighbor, dict[str, ImportPolicy]]:
    validated = host in policy.index.caches_of
    return policy.index.shared(("bird.session", name, validated), lambda: _session(policy, name, validated))


def _session(policy: Policy, name: str, validated: bool) -> tuple[Neighbor, dict[str, ImportPolicy]]:
    """What a session is on every host that has it, and its checks; the host's own side is filled in later."""
    neighbor = policy.index.neighbors[name]
    family = _family(neighbor.address)
    import_, checks = imported(policy, name, neighbor.spoken, validated)
    session: Neighbor = {
        "name": name,
        "protocol": protocol_name(name),
        "address": neighbor.address,
        "local": "",
        "device": None,
        "family": family,
        "asn": neighbor.asn,
        "role": neighbor.role,
        "import_": import_,
        "export": [],
    }
    if neighbor.spoken != (family,):
        session["families"] = list(neighbor.spoken)
    if any("rpki" in one or "aspa" in one for one in checks.values()):
        session["import_table"] = True
    _told(session, neighbor)
    if "learned" in session and (actions := _actions(policy, name)):
        session["actions"] = actions
    return cast("Neighbor", session | options(neighbor)), checks


def _actions(policy: Policy, name: str) -> list[Action]:
    """What customers' communities ask for towards a neighbor, in the policy's order."""
    assert policy.routing is not None
    about = [one for one, names in zip(policy.routing.actions, policy.index.actions, strict=True) if name in names]
    keys = ("community", "large_community", "refuse", "prepend", "no_export")
    return [cast("Action", {key: value for key in keys if (value := getattr(one, key))}) for one in about]


def _told(session: Neighbor, neighbor: routing.Neighbor) -> None:
    """What the neighbor is, and what it is told besides our services."""
    if neighbor.description not in (None, session["name"]):
        session["description"] = neighbor.description
    if neighbor.export.learned:
        session["learned"] = sorted(set(neighbor.export.learned))
    if neighbor.export.default_route:
        session["default_route"] = True
    if neighbor.export.max_prefix:
        session["max_exported"] = bound(neighbor.export.max_prefix)
    if neighbor.roles != "none":
        session["local_role"] = OPPOSITE[neighbor.role]
        session["require_roles"] = neighbor.roles == "require"


def _exports(policy: Policy, announcements: tuple[int, ...], families: tuple[Family, ...]) -> list[Export]:
    """The announcements in a session's families; a service without prefixes in one is not announced there."""
    assert policy.routing is not None
    found: list[Export] = []
    for position in announcements:
        announcement = policy.routing.announcements[position]
        for family in families:
            if prefixes := _service(policy, announcement.service)[family]:
                found.append(_export(announcement, prefixes))
    return sorted(found, key=lambda export: export["service"])


def _export(announcement: routing.Announcement, prefixes: list[str]) -> Export:
    export: Export = {
        "service": announcement.service,
        "prefixes": prefixes,
        "communities": sorted(set(announcement.communities)),
        "large_communities": sorted(set(announcement.large_communities)),
        "prepend": announcement.prepend,
        "med": announcement.med,
    }
    if announcement.extended_communities:
        export["extended_communities"] = sorted(set(announcement.extended_communities))
    return export


def _service(policy: Policy, name: str) -> Service:
    return policy.index.shared(("bird.service", name), lambda: _whole(policy, name))


def _whole(policy: Policy, name: str) -> Service:
    assert policy.routing is not None
    service = _split(name, policy.index.targets[name])
    # An aggregate stands here too, and is as well as the service that it needs.
    declared = policy.routing.services.get(name)
    if declared is not None and (health := _health(declared, _pools(policy, name))) is not None:
        service["health"] = health
    return service


def _health(service: routing.Service, pools: list[ServiceCheck]) -> ServiceHealth | None:
    if service.check is None and not pools:
        return None
    return {
        "checks": [*(cast(ServiceCheck, check.settings()) for check in service.check or ()), *pools],
        "hold": HOLD if service.hold_seconds is None else service.hold_seconds,
        "on_all_down": service.on_all_down or "withdraw",
        "on_checker_loss": service.on_checker_loss or "keep",
    }


def _pools(policy: Policy, name: str) -> list[ServiceCheck]:
    """A check for each pool behind addresses of the service: who has too few servers announces nothing."""
    return [
        {
            "name": f"pool-{balanced}",
            "kind": "pool",
            "target": balanced,
            "expected": {"percent": service.pool.min_percent},
            "interval": 1.0,
            "timeout": 1.0,
            "rise": 1,
            "fall": 1,
        }
        for balanced, service in sorted(policy.balancing.services.items())
        if service.pool.check is not None and policy.index.holds(name, service.vips)
    ]


def _split(name: str, prefixes: tuple[str, ...]) -> Service:
    chosen = sorted(set(prefixes))
    return {
        "name": name,
        "ipv4": [prefix for prefix in chosen if _family(prefix) == "ipv4"],
        "ipv6": [prefix for prefix in chosen if _family(prefix) == "ipv6"],
    }


def _family(text: str) -> Family:
    return "ipv6" if ":" in text else "ipv4"
