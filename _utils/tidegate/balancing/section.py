"""``balancing`` in a plan's ``xdp`` section: what a host balances, and for what it takes encapsulated packets.

The key is left out where a host does neither.
"""

from __future__ import annotations

from typing import Literal, TypedDict

Encapsulation = Literal["ipip", "gue"]


class PoolCheck(TypedDict):
    """How a balancer looks at each backend; times in seconds. ``http`` is a path, ``None`` for a bare connection."""

    port: int
    http: str | None
    status: int | None
    interval: float
    timeout: float
    rise: int
    fall: int


class Backend(TypedDict):
    """A server: where encapsulated packets go, its share, and whether it only keeps what it has."""

    host: str
    address: str
    weight: int
    draining: bool


class Frontend(TypedDict):
    """Addresses with protocols and ports (``[6, 443]``)."""

    name: str
    vips: list[str]
    ports: list[list[int]]


class Service(Frontend):
    """One balanced service as a balancer needs it. ``min_percent`` of the pool's weight must be well."""

    encapsulation: Encapsulation
    affinity: Literal["flow", "source"]
    backends: list[Backend]
    mtu: int | None
    check: PoolCheck | None
    min_percent: int


class Outer(TypedDict):
    """A prefix for each family, ``None`` for the host's own address; ``own`` holds those."""

    ipv4: str | None
    ipv6: str | None


class Served(Frontend):
    """What a server answers for: packets to ``address`` that hold one of these are taken out and delivered."""

    address: str


class Balancing(TypedDict):
    """A host's part of the policy's ``balancing``. ``own``: its addresses by family, the first of each."""

    services: list[Service]
    served: list[Served]
    outer: Outer
    own: dict[str, str]
