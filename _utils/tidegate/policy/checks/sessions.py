"""Every BGP session can come up: the right AS, a common network, one session to an address, names that stay apart."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.bird.compile import protocol_name
from tidegate.policy.addresses import bare, family
from tidegate.policy.errors import Problem
from tidegate.policy.fleet import Host
from tidegate.policy.routing import Neighbor, Routing
from tidegate.policy.validation import STAND_IN_ASN, Draft

NEIGHBORS = ("routing", "neighbors")


def check(draft: Draft) -> Iterator[Problem]:
    """Problems of neighbors and of the sessions that hosts have with them."""
    routing = draft.policy.routing
    if routing is None:
        return
    for name, neighbor in routing.neighbors.items():
        yield from _neighbor(routing, name, neighbor)
        for host in sorted(draft.policy.index.select(neighbor.match)):
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
    if neighbor.keepalive and neighbor.keepalive >= (neighbor.hold_time or 240):
        expected = f"less than the hold time ({neighbor.hold_time or 240} s), usually a third of it"
        yield Problem("no keepalive would come in time", (*path, "keepalive"), neighbor.keepalive, expected)


def _session(draft: Draft, host: str, name: str, neighbor: Neighbor) -> Iterator[Problem]:
    path = (*NEIGHBORS, name, "address")
    own = _own_addresses(draft.policy.fleet.hosts[host])
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
        addresses: dict[str, str] = {}
        protocols: dict[str, str] = {}
        for name in names:
            address, protocol = routing.neighbors[name].address, protocol_name(name)
            other = addresses.setdefault(address, name)
            if other != name and (other, name) not in reported:
                reported.add((other, name))
                message = f"{host} already has a session to this address: '{other}'"
                yield Problem(message, (*NEIGHBORS, name, "address"), address, "one session to an address")
            other = protocols.setdefault(protocol, name)
            if other != name and (other, name) not in reported:
                reported.add((other, name))
                message = f"on {host} this name and '{other}' are one in BIRD: {protocol}"
                yield Problem(message, (*NEIGHBORS, name), name, "names that differ in letters or digits")
