"""From a host's part of the policy to the tables of ``bpf/balance.h``. Pure."""

from __future__ import annotations

import socket
import struct
from array import array
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

from tidegate.balancing import hops, limits, maglev
from tidegate.balancing.section import Balancing, Frontend, Served, Service
from tidegate.host.errors import Refused

BALANCED, SERVED, ARRIVES = 1, 2, 4
"""``enum frontend_kind``."""
FRONTEND = struct.Struct("=16sHBB")
TARGET = struct.Struct("=BBBBHHII")
BACKEND = struct.Struct("=16sIBBH")
_OUTER = struct.Struct("=16sI")
BALANCING = struct.Struct("=I20s20s")
IPIP, IPV6, UDP = 4, 41, 17
_ENCAPSULATIONS = {"ipip": 0, "gue": 1}
_AFFINITIES = {"flow": 0, "source": 1}


def frontends(section: Balancing, slot: int, counters: Mapping[str, int]) -> dict[bytes, bytes]:
    """Keys and values of ``frontends``.

    Args:
        section: The host's part.
        slot: Which of the two slots they are for: it is part of the key.
        counters: Counter by service.

    Raises:
        Refused: More than the data path has room for.
    """
    targets: dict[tuple[bytes, int, int], list[int]] = {}
    base = 0
    for number, service in enumerate(section["services"]):
        mtu = service["mtu"] or 0
        own = [_ENCAPSULATIONS[service["encapsulation"]], _AFFINITIES[service["affinity"]], number, base]
        for key in (*_keys(service), *_fragments(section, service)):
            targets[key] = [BALANCED, *own, counters[service["name"]], mtu]
        base += len(service["backends"])
    for served in section["served"]:
        for key in (*_keys(served), *_portless(served)):
            entry = targets.setdefault(key, [0, 0, 0, 0, 0, counters[served["name"]], 0])
            entry[0] |= SERVED
        for key in _arrivals(served):
            targets.setdefault(key, [0, 0, 0, 0, 0, 0, 0])[0] |= ARRIVES
    if len(targets) > limits.MOST_FRONTENDS // 2:
        raise Refused(f"balancing: {len(targets)} addresses and ports, at most {limits.MOST_FRONTENDS // 2} fit")
    if len(section["services"]) > limits.MOST_SERVICES or base > limits.MOST_ENTRIES:
        raise Refused(
            f"balancing: {len(section['services'])} services with {base} backends, at most {limits.MOST_SERVICES} "
            f"with {limits.MOST_ENTRIES} fit"
        )
    return {
        FRONTEND.pack(address, port, protocol, slot): TARGET.pack(*entry[:3], 0, *entry[3:])
        for (address, protocol, port), entry in targets.items()
    }


def _keys(frontend: Frontend) -> Iterator[tuple[bytes, int, int]]:
    for vip in frontend["vips"]:
        for protocol, port in frontend["ports"]:
            yield _mapped(vip), protocol, port


def _portless(frontend: Frontend) -> Iterator[tuple[bytes, int, int]]:
    """Where fragments are found, which carry no ports."""
    for vip in frontend["vips"]:
        for protocol in sorted({protocol for protocol, _ in frontend["ports"]}):
            yield _mapped(vip), protocol, 0


def _fragments(section: Balancing, service: Service) -> Iterator[tuple[bytes, int, int]]:
    """Fragments can follow the rest only if ports do not matter: one service alone on the address, chosen by source."""
    if service["affinity"] != "source":
        return
    others = {key for one in section["services"] if one["name"] != service["name"] for key in _portless(one)}
    yield from (key for key in _portless(service) if key not in others)


def _arrivals(served: Served) -> Iterator[tuple[bytes, int, int]]:
    """How packets for a server may come: as either encapsulation, so that a change of it meets no gap."""
    for protocol, port in ((IPIP, 0), (IPV6, 0), (UDP, limits.GUE_PORT)):
        yield _mapped(served["address"]), protocol, port


def backends(section: Balancing, counters: Mapping[str, int]) -> list[bytes]:
    """Values of ``backends`` in order, those of each service behind those of the one before."""
    own = set(section["own"].values())
    own |= {served["address"] for served in section["served"]}
    return [
        BACKEND.pack(
            packed(backend["address"]).ljust(16, b"\0"),
            counters[f"{service['name']}/{backend['host']}"],
            6 if ":" in backend["address"] else 4,
            backend["address"] in own,
            0,
        )
        for service in section["services"]
        for backend in service["backends"]
    ]


def words(service: Service, sick: Collection[str]) -> array[int]:
    """The buckets of a service: first and second hop of each.

    Args:
        service: As planned.
        sick: Hosts that nothing is sent to. If all are, so that nobody is left, the check is more likely at fault than
            all servers at once: all are used. Whether the VIPs are announced then is the checker's business.
    """
    members = service["backends"]
    alive = {number for number, backend in enumerate(members) if backend["host"] not in sick}
    if not alive:
        alive = set(range(len(members)))
    takes = {number for number in alive if not members[number]["draining"]} or alive
    owners = _owners(tuple((backend["host"], backend["weight"]) for backend in members))
    return hops.hops(owners, takes, alive) if owners else array("Q", [0xFFFFFFFF]) * maglev.SIZE


@lru_cache(maxsize=limits.MOST_SERVICES)
def _owners(members: tuple[tuple[str, int], ...]) -> list[int]:
    return maglev.table(members)


def balancing(section: Balancing) -> bytes:
    """The value of ``balancing``: that there is something to do, and where packets come from."""
    return BALANCING.pack(1, _outer(section, "ipv4"), _outer(section, "ipv6"))


def _outer(section: Balancing, kind: str) -> bytes:
    """An address and the bits of its last word that a flow's hash fills, as they lie in memory."""
    prefix = section["outer"]["ipv4" if kind == "ipv4" else "ipv6"]
    if prefix is None:
        own = section["own"].get(kind)
        return _OUTER.pack(packed(own).ljust(16, b"\0") if own else bytes(16), 0)
    address, _, length = prefix.partition("/")
    bits = (32 if kind == "ipv4" else 128) - int(length)
    spread = (1 << min(bits, 32)) - 1
    return _OUTER.pack(packed(address).ljust(16, b"\0"), socket.htonl(spread))


def names(section: Balancing) -> list[str]:
    """Whatever has a counter: services, then their backends as ``SERVICE/HOST``."""
    found = [service["name"] for service in section["services"]] + [served["name"] for served in section["served"]]
    found += [f"{one['name']}/{backend['host']}" for one in section["services"] for backend in one["backends"]]
    return list(dict.fromkeys(found))


def packed(address: str) -> bytes:
    """An address as it is on the wire."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _mapped(address: str) -> bytes:
    """IPv4 as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2)."""
    whole = packed(address)
    return whole if len(whole) == 16 else bytes(10) + b"\xff\xff" + whole
