"""Sessions' options: what they name exists, and they fit the neighbor. Templates and meshes too."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.policy.addresses import family, ip_link_local
from tidegate.policy.errors import KeyPath, Problem, suggest
from tidegate.policy.mesh_sessions import generated, groups
from tidegate.policy.routing import Neighbor, Routing
from tidegate.policy.validation import Draft

NEIGHBORS = ("routing", "neighbors")
MESHES = ("routing", "meshes")


def check(draft: Draft, routing: Routing) -> Iterator[Problem]:
    """Problems of all neighbors' options, and of meshes."""
    known = draft.names("routing", "templates")
    for name, neighbor in routing.neighbors.items():
        path = (*NEIGHBORS, name)
        if neighbor.template is not None and neighbor.template not in known:
            hint = suggest(neighbor.template, known)
            yield Problem(
                "no such template", (*path, "template"), neighbor.template, "a template of routing.templates", hint
            )
        yield from _families(path, routing, neighbor)
        yield from _vrf(path, routing, neighbor)
        yield from _interfaces(draft, path, neighbor)
        if neighbor.reflected and neighbor.role != "ibgp":
            yield Problem("only our own routers are reflected to", (*path, "reflected"), True, "role ibgp beside it")
    yield from _meshes(draft, routing)
    yield from _actions(draft, routing)


def _actions(draft: Draft, routing: Routing) -> Iterator[Problem]:
    """Actions are about somebody, and each community asks for one thing of each neighbor."""
    taken: dict[tuple[str, str], int] = {}
    for position, action in enumerate(routing.actions):
        path = ("routing", "actions", position)
        asks = str(action.community or action.large_community)
        recipients = draft.policy.index.actions[position]
        if (action.large_community or "").startswith(f"{routing.asn}:"):
            message = "large communities of our own AS are taken away from what is learned"
            yield Problem(message, (*path, "large_community"), asks, "another AS in it, or a community (RFC 1997)")
        if not recipients and draft.whole(NEIGHBORS):
            yield Problem("this is about no neighbor", (*path, "to"), str(action.to), "at least one neighbor")
        for neighbor in sorted(recipients):
            first = taken.setdefault((asks, neighbor), position)
            if first != position:
                message = (
                    f"actions[{draft.written(('routing', 'actions', first))[-1]}] asks something of {neighbor} too"
                )
                yield Problem(message, path, asks, "one action of a community for each neighbor")
                break


def _families(path: KeyPath, routing: Routing, neighbor: Neighbor) -> Iterator[Problem]:
    own = f"ipv{family(neighbor.address)}"
    if neighbor.extended_next_hop and (own == "ipv4" or "ipv4" not in neighbor.spoken):
        expected = "an IPv6 address, and ipv4 in families"
        yield Problem("only IPv4 routes over IPv6 have such next hops", (*path, "extended_next_hop"), True, expected)
    rules = routing.rules(neighbor)
    other = [kind for kind in neighbor.spoken if kind != own]
    if other and not neighbor.extended_next_hop and rules["accept"] != "none" and rules["next_hop"] != "any":
        message = f"next hops of {other[0]} routes cannot be held against an {own} address"
        expected = "any, or extended_next_hop: true for IPv4 routes over IPv6"
        yield Problem(message, (*path, "import", "next_hop"), rules["next_hop"], expected)
    if rules["next_hop"] == "link" and (ip_link_local(neighbor.address) or neighbor.multihop):
        message = "the policy does not know the network that next hops are to be in"
        yield Problem(message, (*path, "import", "next_hop"), "link", "neighbor or any")


def _vrf(path: KeyPath, routing: Routing, neighbor: Neighbor) -> Iterator[Problem]:
    """One device, one table, wherever a VRF is named."""
    if neighbor.vrf is None:
        return
    for other in routing.neighbors.values():
        if other.vrf is None or other.vrf == neighbor.vrf:
            continue
        if other.vrf.table == neighbor.vrf.table or other.vrf.device == neighbor.vrf.device:
            message = f"another neighbor has device {other.vrf.device} with table {other.vrf.table}"
            yield Problem(message, (*path, "vrf"), neighbor.vrf.table, "one table for a device, and one device for it")
            return


def _interfaces(draft: Draft, path: KeyPath, neighbor: Neighbor) -> Iterator[Problem]:
    """Interfaces that are named are there, and a link-local address names one."""
    if ip_link_local(neighbor.address) and neighbor.interface is None:
        message = "a link-local address is another machine's on every link"
        yield Problem(message, (*path, "interface"), expected="the interface that the neighbor is on")
    if ip_link_local(neighbor.address) and neighbor.multihop is not None:
        yield Problem("a link-local address is never some hops away", (*path, "multihop"), neighbor.multihop, "nothing")
    hosts = draft.policy.fleet.hosts
    for key in ("interface", "source"):
        wanted = getattr(neighbor, key)
        for host in sorted(draft.policy.index.select(neighbor.match)) if wanted else ():
            if wanted not in hosts[host].interfaces:
                hint = suggest(wanted, hosts[host].interfaces)
                yield Problem(f"{host} has no such interface", (*path, key), wanted, "one of every matched host", hint)
                break


def _meshes(draft: Draft, routing: Routing) -> Iterator[Problem]:
    index = draft.policy.index
    for name, mesh in routing.meshes.items():
        path = (*MESHES, name)
        hosts = index.select(mesh.match)
        reflecting = index.select(mesh.reflectors) if mesh.reflectors else hosts
        if not draft.whole(("fleet", "hosts"), ("fleet", "regions")):
            continue
        without = [host for host in sorted(hosts) if not _addresses(draft, host, mesh.source)]
        if without:
            message = f"{without[0]} has no address on such an interface"
            yield Problem(message, (*path, "source"), mesh.source, "an interface with an address on every matched host")
        for members in groups(mesh, index):
            if not reflecting & set(members):
                where = "the fleet" if mesh.within == "fleet" else index.labels[members[0]][mesh.within]
                message = f"no host of {where} reflects"
                yield Problem(message, (*path, "reflectors"), str(mesh.reflectors), "a reflector wherever clients are")
        if mesh.ttl_security:
            yield Problem("members may be some hops away", (*path, "ttl_security"), True, "false")
    worked_out = generated(draft.policy, index)
    for name in sorted(worked_out.keys() & draft.names(*NEIGHBORS)):
        yield Problem("a mesh makes a session of this name", (*NEIGHBORS, name), name, "another name")


def _addresses(draft: Draft, host: str, source: str) -> tuple[str, ...]:
    interface = draft.policy.fleet.hosts[host].interfaces.get(source)
    return tuple(interface.addresses) if interface else ()
