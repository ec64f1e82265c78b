"""A host's part of the policy's ``balancing``: what it balances over whom, and what it answers for itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tidegate.balancing.section import Backend, Balancing, Outer, Served, Service

if TYPE_CHECKING:
    from tidegate.policy.balancing import BalancedService, Pool
    from tidegate.policy.model import Policy

WEIGHT = 100
"""A backend's, where the policy does not say."""


def compile_section(policy: Policy, host: str) -> Balancing | None:
    """``None`` where the host neither balances nor serves."""
    if not policy.balancing.services:
        return None
    index = policy.index
    services = [
        index.shared(("balancing", name, domain(policy, host, service.pool)), lambda n=name: _service(policy, host, n))  # type: ignore[misc]
        for name, service in sorted(policy.balancing.services.items())
        if host in index.balancers.get(name, ())
    ]
    served = list(_served(policy, host))
    if not services and not served:
        return None
    outer: Outer = {"ipv4": policy.balancing.outer.ipv4, "ipv6": policy.balancing.outer.ipv6}
    own = {kind: address for kind in ("ipv4", "ipv6") if (address := address_of(policy, host, None, kind)) is not None}
    return {"services": services, "served": served, "outer": outer, "own": own}


def devices(policy: Policy, host: str) -> set[str]:
    """The policy's names of the interfaces on which the host balances or takes encapsulated packets."""
    if not policy.balancing.services:
        return set()
    interfaces = policy.fleet.hosts[host].interfaces
    found: set[str] = set()
    for name, service in policy.balancing.services.items():
        if host in policy.index.balancers.get(name, ()):
            found |= set(service.interface or policy.index.facing(host, name))
        if host in policy.index.select(service.pool.match):
            own = address_of(policy, host, service.pool.interface, service.pool.family)
            found |= {
                key
                for key, interface in interfaces.items()
                if own in [address.partition("/")[0] for address in interface.addresses]
            }
    return found & set(interfaces)


def domain(policy: Policy, host: str, pool: Pool) -> str:
    """The PoP or region whose servers a balancer uses."""
    return policy.index.labels[host][pool.scope]


def members(policy: Policy, host: str, pool: Pool) -> list[str]:
    """The servers that a balancer uses, by name."""
    where = domain(policy, host, pool)
    return sorted(one for one in policy.index.select(pool.match) if policy.index.labels[one][pool.scope] == where)


def weight_of(policy: Policy, host: str, pool: Pool) -> int:
    """A server's weight: by its name, else by the first pattern that matches it."""
    return policy.index.weights(pool).get(host, WEIGHT)


def address_of(policy: Policy, host: str, interface: str | None, kind: str) -> str | None:
    """A host's first address of a family, on one interface or on any; ``None`` if it has none."""
    interfaces = policy.fleet.hosts[host].interfaces
    for name in [interface] if interface is not None else sorted(interfaces):
        for own in interfaces[name].addresses if name in interfaces else ():
            if (":" in own) == (kind == "ipv6"):
                return own.partition("/")[0]
    return None


def _service(policy: Policy, host: str, name: str) -> Service:
    service = policy.balancing.services[name]
    pool = service.pool
    draining = policy.index.draining(pool)
    backends: list[Backend] = []
    for member in members(policy, host, pool):
        address, weight = address_of(policy, member, pool.interface, pool.family), weight_of(policy, member, pool)
        if address is not None and weight:
            backends.append({"host": member, "address": address, "weight": weight, "draining": member in draining})
    return {
        "name": name,
        "vips": sorted(service.vips),
        "ports": _ports(service),
        "encapsulation": service.encapsulation,
        "affinity": service.affinity,
        "backends": backends,
        "mtu": pool.mtu,
        "check": pool.check.settings() if pool.check else None,
        "min_percent": pool.min_percent,
    }


def _served(policy: Policy, host: str) -> Iterator[Served]:
    for name, service in sorted(policy.balancing.services.items()):
        if host not in policy.index.select(service.pool.match):
            continue
        address = address_of(policy, host, service.pool.interface, service.pool.family)
        if address is not None:
            yield {
                "name": name,
                "vips": sorted(service.vips),
                "ports": _ports(service),
                "address": address,
            }


def _ports(service: BalancedService) -> list[list[int]]:
    return [list(port) for port in sorted(set(service.ports))]
