"""The plan's ``bird`` section: sessions and announcements of one host. Secrets are references, never values."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Family = Literal["ipv4", "ipv6"]
Role = Literal["provider", "customer", "peer", "ibgp"]
OnTrouble = Literal["keep", "withdraw"]


class SecretReference(TypedDict):
    """Names a secret that the minion looks up in its own pillar (``traffic_secrets``) when it renders."""

    secret: str


class MaxPrefix(TypedDict):
    """A bound on the routes a neighbor may send, and what to do at the bound."""

    limit: int
    action: Literal["warn", "block", "restart", "disable"]


class Import(TypedDict):
    """What is accepted from a neighbor; ``local_pref`` is set on what is accepted."""

    accept: Literal["all", "default", "none"]
    max_prefix: MaxPrefix | None
    local_pref: int | None


class Export(TypedDict):
    """One service announced to one neighbor; ``prefixes`` are of the session's family alone."""

    service: str
    prefixes: list[str]
    communities: list[str]
    large_communities: list[str]
    prepend: int
    med: int | None


class Neighbor(TypedDict):
    """One BGP session. ``protocol`` is its name in BIRD, unique on the host.

    ``device`` is the interface that the neighbor is on; ``None`` is one of our own routers that is further away.
    """

    name: str
    protocol: str
    description: str
    address: str
    local: str
    device: str | None
    family: Family
    asn: int
    role: Role
    password: SecretReference | None
    hold_time: int | None
    keepalive: int | None
    import_: Import
    export: list[Export]


class ServiceCheck(TypedDict):
    """One check of a service; times in seconds.

    ``target``: a URL, ``ADDRESS:PORT``, or a command as a list. ``expected`` by kind: ``status``, ``body``, ``address``
    (http); ``question``, ``type``, ``answer`` (dns); ``user`` (command).
    """

    name: str
    kind: Literal["http", "tcp", "dns", "command"]
    target: str | list[str]
    expected: dict[str, Any]
    interval: float
    timeout: float
    rise: int
    fall: int


class ServiceHealth(TypedDict):
    """When a service is withdrawn and announced again; ``hold`` in seconds."""

    checks: list[ServiceCheck]
    hold: float
    on_all_down: OnTrouble
    on_checker_loss: OnTrouble


class _Announced(TypedDict):
    name: str
    ipv4: list[str]
    ipv6: list[str]


class Service(_Announced, total=False):
    """What the host announces to anyone: one blackhole route a prefix in the kernel table BIRD learns from.

    Without ``health`` nothing but a change of the plan withdraws it.
    """

    health: ServiceHealth


class BirdSection(TypedDict):
    """Everything BIRD on one host is to do. ``table`` is the kernel table of the services' routes."""

    router_id: str
    asn: int
    table: int
    services: list[Service]
    neighbors: list[Neighbor]
