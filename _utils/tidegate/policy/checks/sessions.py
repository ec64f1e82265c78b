"""Every BGP session can come up: the right AS, a common network, one session to an address, names that stay apart."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.bird.compile import protocol_name
from tidegate.bird.passing import DOWNHILL, may_hear
from tidegate.policy.addresses import bare, family, ip_link_local
from tidegate.policy.checks import options
from tidegate.policy.errors import KeyPath, Problem
from tidegate.policy.fleet import Host
from tidegate.policy.routing import Neighbor, Routing
from tidegate.policy.validation import STAND_IN_ASN, Draft

NEIGHBORS = ("routing", "neighbors")


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of neighbors and of the sessions that hosts have with them."""
    routing = draft.policy.routing
    if routing is None:
        return
    yield from options.check(draft, routing)
    for name, neighbor in routing.neighbors.items():
        yield from _neighbor(routing, name, neighbor)
        hosts = sorted(draft.policy.index.select(neighbor.match))
        yield from _validated(draft, routing, name, hosts)
        for host in hosts:
            yield from _session(draft, host, name, neighbor)
    yield from _apart(draft, routing)


def _neighbor(routing: Routing, name: str, neighbor: Neighbor) -> Iterator[Problem]:
    path = (*NEIGHBORS, name)
    if routing.asn != STAND_IN_ASN and (neighbor.role == "ibgp") != (neighbor.asn == routing.asn):
        expected = (
            f"our AS number, {routing.asn}, for role ibgp" if neighbor.role == "ibgp" else "another AS number than ours"
        )
        hint = "" if neighbor.role == "ibgp" else "A neighbor in our own AS has the role ibgp."
        yield Problem(f"does not fit the role {neighbor.role}", (*path, "asn"), neighbor.asn, expected, hint)
    yield from _told(path, neighbor)
    rules = routing.rules(neighbor)
    if rules["blackhole"] and not rules["prefixes"] and rules["accept"] != "none":
        expected = "import.prefixes: the sets that hold what is the neighbor's own"
        message = "nobody knows what this neighbor may ask us to drop"
        yield Problem(message, (*path, "import", "blackhole"), expected=expected)
    if neighbor.role == "ibgp" and neighbor.roles != "none":
        yield Problem("roles are between networks (RFC 9234)", (*path, "roles"), neighbor.roles, "none for role ibgp")
    if neighbor.keepalive and neighbor.keepalive >= (neighbor.hold_time or 240):
        expected = f"less than the hold time ({neighbor.hold_time or 240} s), usually a third of it"
        yield Problem("no keepalive would come in time", (*path, "keepalive"), neighbor.keepalive, expected)


def _validated(draft: Draft, routing: Routing, name: str, hosts: list[str]) -> Iterator[Problem]:
    """A neighbor that says how origins and paths are judged has hosts that can look them up."""
    if not draft.whole(("routing", "rpki", "caches")):
        return
    neighbor = draft.policy.index.neighbors[name]
    of_role = routing.imports.get(neighbor.role)
    for key in ("rpki", "aspa"):
        wanted = getattr(neighbor.import_, key) or getattr(of_role, key, None)
        without = [host for host in hosts if host not in draft.policy.index.caches_of]
        if wanted not in (None, "ignore") and without:
            message = f"{without[0]} has no RPKI cache to ask"
            yield Problem(message, (*NEIGHBORS, name, "import", key), wanted, "a cache of routing.rpki for every host")


def _told(path: KeyPath, neighbor: Neighbor) -> Iterator[Problem]:
    """Learned routes and defaults go to whom they may go, by roles alone."""
    allowed = may_hear(neighbor.role)
    for role in neighbor.export.learned or ():
        if role not in allowed:
            message = f"a {neighbor.role} is never told of routes learned from a {role}"
            yield Problem(message, (*path, "export", "learned"), role, f"of {', '.join(allowed)}")
    if neighbor.export.default_route and neighbor.role not in DOWNHILL:
        message = f"a {neighbor.role} is never told of a default route"
        yield Problem(message, (*path, "export", "default_route"), True, "a customer, or our own router")


def _session(draft: Draft, host: str, name: str, neighbor: Neighbor) -> Iterator[Problem]:
    path = (*NEIGHBORS, name, "address")
    own = _own_addresses(draft.policy.fleet.hosts[host])
    if ip_link_local(neighbor.address):
        return
    if neighbor.address in map(bare, own):
        yield Problem(f"this is {host}'s own address", path, neighbor.address, "the address of the other end")
    elif draft.policy.index.connection(host, name) is None:
        kind = [address for address in own if family(address) == family(neighbor.address)]
        if kind:
            hint = f"{host} is in {', '.join(kind)}."
            expected = f"an address on a network of {host}"
            yield Problem(f"{host} is on no network with this address", path, neighbor.address, expected, hint)
        else:
            version = family(neighbor.address)
            message = f"{host} has no IPv{version} address on any interface"
            yield Problem(message, path, neighbor.address, "a neighbor of a family that the host speaks")


def _own_addresses(host: Host) -> list[str]:
    return [address for interface in host.interfaces.values() for address in interface.addresses]


def _apart(draft: Draft, routing: Routing) -> Iterator[Problem]:
    """Pairs of neighbors that meet on a host: by the same address, or by names that are one in BIRD."""
    reported: set[tuple[str, str]] = set()
    for host, names in sorted(draft.policy.index.neighbors_of.items()):
        addresses: dict[tuple[str, str | None], str] = {}
        protocols: dict[str, str] = {}
        for name in names:
            address, protocol = draft.policy.index.neighbors[name].address, protocol_name(name)
            # A link-local address is another machine's on every link.
            link = draft.policy.index.neighbors[name].interface if ip_link_local(address) else None
            other = addresses.setdefault((address, link), name)
            if other != name and (other, name) not in reported:
                reported.add((other, name))
                message = f"{host} already has a session to this address: '{other}'"
                yield Problem(message, (*NEIGHBORS, name, "address"), address, "one session to an address")
            other = protocols.setdefault(protocol, name)
            if other != name and (other, name) not in reported:
                reported.add((other, name))
                message = f"on {host} this name and '{other}' are one in BIRD: {protocol}"
                yield Problem(message, (*NEIGHBORS, name), name, "names that differ in letters or digits")
