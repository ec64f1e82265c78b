"""VIPs that somebody announces, pools that have servers everywhere they are needed, and nothing balanced twice."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.balancing.compile import address_of, domain, members, weight_of
from tidegate.balancing.limits import MOST_BACKENDS, MOST_SERVICES, smallest_mtu
from tidegate.policy.addresses import family
from tidegate.policy.balancing import BalancedService, Pool
from tidegate.policy.errors import KeyPath, Problem, suggest
from tidegate.policy.index import glob
from tidegate.policy.packets import name_of
from tidegate.policy.selectors import Match
from tidegate.policy.validation import Draft

SERVICES = ("balancing", "services")
FLEET = (("fleet", "hosts"), ("fleet", "regions"))
ROUTES = (("routing", "services"), ("routing", "announcements"), ("routing", "neighbors"))


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of balanced services."""
    taken: dict[tuple[str, tuple[int, int]], str] = {}
    for name, service in draft.policy.balancing.services.items():
        yield from _twice(name, service, taken)
        yield from _named(draft, (*SERVICES, name, "pool"), service.pool)
        yield from _drained(service, (*SERVICES, name, "pool"))
        yield from _mtu(service, (*SERVICES, name))
        if draft.whole(*FLEET):
            yield from _addresses(draft, name, service.pool)
        if draft.whole(*FLEET, *ROUTES):
            yield from _announced(draft, name, service)
            yield from _pools(draft, name, service)
    yield from _too_many(draft)


def _twice(name: str, service: BalancedService, taken: dict[tuple[str, tuple[int, int]], str]) -> Iterator[Problem]:
    for position, vip in enumerate(service.vips):
        for port in service.ports:
            other = taken.setdefault((vip, port), name)
            # The same service twice: the address or the port stands there twice.
            if other != name:
                message = f"service '{other}' balances {vip} {_words(port)} already"
                expected = "one service for an address and port"
                yield Problem(message, (*SERVICES, name, "vips", position), vip, expected)
    for key, values in (("vips", service.vips), ("ports", service.ports)):
        if len(set(values)) < len(values):
            yield Problem("something stands here twice", (*SERVICES, name, key), expected="everything once")


def _announced(draft: Draft, name: str, service: BalancedService) -> Iterator[Problem]:
    """An address that nobody announces takes no packets, and no host is its balancer."""
    index = draft.policy.index
    for position, vip in enumerate(service.vips):
        if not any(index.select(_announcement(draft, place)) for place in index.announcing([vip])):
            path = (*SERVICES, name, "vips", position)
            hint = "Put it in a prefix of one, and announce that: the hosts that announce it balance it."
            yield Problem("no announced service holds this address", path, vip, "an address of routing.services", hint)


def _announcement(draft: Draft, position: int) -> Match:
    assert draft.policy.routing is not None
    return draft.policy.routing.announcements[position].match


def _named(draft: Draft, path: KeyPath, pool: Pool) -> Iterator[Problem]:
    """Weights and drains name hosts of the pool."""
    chosen = draft.policy.index.select(pool.match)
    if not draft.whole(*FLEET):
        return
    for key, patterns in (("weights", tuple(pool.weights)), ("drain", pool.drain or ())):
        for pattern in patterns:
            if not glob(pattern, chosen):
                hint = suggest(pattern, chosen)
                yield Problem("no server of the pool has this name", (*path, key), pattern, "a host of the pool", hint)
    if pool.min_capacity != "1%" and pool.check is None:
        yield Problem("nobody looks at the backends", (*path, "min_capacity"), pool.min_capacity, "a check beside it")


def _drained(service: BalancedService, path: KeyPath) -> Iterator[Problem]:
    if service.pool.drain and service.encapsulation != "gue":
        hint = "An IPIP header has no room for the server that may still have the connection."
        yield Problem("a drain would cut established flows", (*path, "drain"), expected="encapsulation: gue", hint=hint)


def _mtu(service: BalancedService, path: KeyPath) -> Iterator[Problem]:
    if service.pool.mtu is None:
        return
    kinds = {family(vip) for vip in service.vips}
    least = smallest_mtu(service.encapsulation, service.pool.family, ipv6=6 in kinds)
    if service.pool.mtu < least:
        what = "1280 bytes of IPv6 (RFC 8200)" if 6 in kinds else "576 bytes of IPv4 (RFC 791)"
        message = f"too small for {service.encapsulation} around {what}"
        yield Problem(message, (*path, "pool", "mtu"), service.pool.mtu, f"at least {least}")


def _addresses(draft: Draft, name: str, pool: Pool) -> Iterator[Problem]:
    """Every server has an address of the pool's family."""
    policy = draft.policy
    without = [
        host
        for host in sorted(policy.index.select(pool.match))
        if address_of(policy, host, pool.interface, pool.family) is None
    ]
    if without:
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        where = f" on '{pool.interface}'" if pool.interface else ""
        kind = pool.family.replace("ip", "IP")
        message = f"no {kind} address{where} of {without[0]}{more}"
        expected = "an address that takes encapsulated packets on every server"
        yield Problem(message, (*SERVICES, name, "pool", "match"), str(pool.match), expected)


def _pools(draft: Draft, name: str, service: BalancedService) -> Iterator[Problem]:
    """Every balancer has servers that take new flows: one problem for each place that lacks them."""
    policy, pool = draft.policy, service.pool
    path = (*SERVICES, name, "pool")
    places = {domain(policy, host, pool): host for host in sorted(policy.index.balancers[name], reverse=True)}
    for place, host in sorted(places.items()):
        servers = members(policy, host, pool)
        noun = "PoP" if pool.scope == "pop" else "region"
        if not servers:
            message = f"{host} announces it, and no server of the pool is in {noun} {place}"
            expected = f"a server in every {noun} that announces the VIPs"
            yield Problem(message, (*path, "match"), str(pool.match), expected)
        elif not any(weight_of(policy, server, pool) for server in servers):
            message = f"every server in {noun} {place} has weight 0"
            yield Problem(message, (*path, "weights"), expected="a server with a weight in every pool")
        elif all(server in policy.index.draining(pool) for server in servers if weight_of(policy, server, pool)):
            message = f"every server in {noun} {place} is draining"
            yield Problem(message, (*path, "drain"), expected="a server that takes new flows in every pool")
        elif len(servers) > MOST_BACKENDS:
            message = f"{len(servers)} servers in {noun} {place}"
            yield Problem(message, (*path, "match"), str(pool.match), f"at most {MOST_BACKENDS} in a pool")
        if policy.balancing.outer.of(pool.family) is None and address_of(policy, host, None, pool.family) is None:
            message = f"{host} has no {pool.family.replace('ip', 'IP')} address to send from"
            expected = "an address of the balancer, or a prefix in balancing.outer"
            yield Problem(message, (*path, "family"), pool.family, expected)


def _too_many(draft: Draft) -> Iterator[Problem]:
    count = len(draft.policy.balancing.services)
    if count > MOST_SERVICES:
        yield Problem(f"{count} balanced services", SERVICES, expected=f"at most {MOST_SERVICES}")


def _words(port: tuple[int, int]) -> str:
    return f"{name_of(port[0])}/{port[1]}"
