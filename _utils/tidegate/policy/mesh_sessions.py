"""Meshes as the neighbors they stand for: one for each host and family, as the hosts around it see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tidegate.policy.addresses import bare, family
from tidegate.policy.meshes import Mesh
from tidegate.policy.routing import Neighbor
from tidegate.policy.selectors import Match
from tidegate.policy.sessions import Family, SessionOptions

if TYPE_CHECKING:
    from tidegate.policy.index import Index
    from tidegate.policy.model import Policy


def generated(policy: Policy, index: Index) -> dict[str, Neighbor]:
    """The neighbors of all meshes, by name: ``MESH-HOST-v4``."""
    found: dict[str, Neighbor] = {}
    for name, mesh in sorted(policy.routing.meshes.items()) if policy.routing else ():
        for members in groups(mesh, index):
            found |= dict(_of_group(policy, index, name, mesh, members))
    return found


def groups(mesh: Mesh, index: Index) -> list[list[str]]:
    """The hosts of a mesh, those together that have sessions with each other."""
    found: dict[str, list[str]] = defaultdict(list)
    for host in sorted(index.select(mesh.match)):
        found["" if mesh.within == "fleet" else index.labels[host][mesh.within]].append(host)
    return [found[key] for key in sorted(found)]


def _of_group(
    policy: Policy, index: Index, name: str, mesh: Mesh, members: list[str]
) -> Iterator[tuple[str, Neighbor]]:
    reflecting = index.select(mesh.reflectors) if mesh.reflectors else frozenset[str]()
    addresses = {host: _addresses(policy, host, mesh.source) for host in members}
    for host in members:
        for kind, address in addresses[host].items():
            # A client is known to the reflectors alone; a reflector, or a host of a full mesh, to everybody else.
            client = mesh.reflectors is not None and host not in reflecting
            others = [
                other
                for other in members
                if other != host and kind in addresses[other] and (not client or other in reflecting)
            ]
            if others:
                yield f"{name}-{host}-v{kind[-1]}", _neighbor(policy, mesh, host, address, kind, others, client)


def _addresses(policy: Policy, host: str, source: str) -> dict[Family, str]:
    """The first address of each family on a host's interface."""
    interface = policy.fleet.hosts[host].interfaces.get(source)
    found: dict[Family, str] = {}
    for own in interface.addresses if interface else ():
        found.setdefault("ipv6" if family(own) == 6 else "ipv4", bare(own))
    return found


def _neighbor(
    policy: Policy, mesh: Mesh, host: str, address: str, kind: Family, others: list[str], client: bool
) -> Neighbor:
    assert policy.routing is not None
    options = {field: getattr(mesh, field) for field in SessionOptions.model_fields}
    # Everything in it has been read and checked as the mesh's.
    return Neighbor.model_construct(
        **{**options, "families": (kind,), "interface": None},
        match=Match.model_construct(host=tuple(others)),
        address=address,
        asn=policy.routing.asn,
        role="ibgp",
        template=None,
        description=f"{host}, by the fleet",
        roles="none",
        reflected=client,
        import_=mesh.import_,
        export=mesh.export,
    )
