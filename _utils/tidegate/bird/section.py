"""The plan's ``bird`` section: sessions and announcements of one host. Secrets are references, never values."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Family = Literal["ipv4", "ipv6"]
Role = Literal["provider", "customer", "peer", "rs", "rs-client", "ibgp"]
OnTrouble = Literal["keep", "withdraw"]


class SecretReference(TypedDict):
    """Names a secret that the minion looks up in its own pillar (``traffic_secrets``) when it renders."""

    secret: str


class Bound(TypedDict):
    """A bound on the routes of a session, and what to do at the bound."""

    limit: int
    action: Literal["warn", "block", "restart", "disable"]


class Tuning(TypedDict):
    """What a community on an accepted route sets; exactly one of the two communities is given."""

    community: str | None
    large_community: str | None
    local_pref: int | None
    med: int | None


class Blackhole(TypedDict):
    """Routes that ask us to drop traffic: by which communities, and of which lengths."""

    communities: list[str]
    length: list[int]


class Validation(TypedDict):
    """What becomes of routes that a cache calls invalid, or of which it says nothing; valid ones are let in."""

    invalid: Literal["reject", "tag", "log"]
    unknown: Literal["accept", "reject"]


class Aggregate(TypedDict):
    """A prefix announced while the route to ``via``, an address of ``of``'s, is among the services' routes."""

    name: str
    prefix: str
    of: str
    via: str


class Cache(TypedDict):
    """An RPKI cache that the host asks. Times in seconds; ``protocol`` is its name in BIRD, unique on the host."""

    name: str
    protocol: str
    address: str
    port: int
    refresh: int
    retry: int
    expire: int


class ImportPolicy(TypedDict, total=False):
    """Checks that routes of one family must pass, and what is set on them. A key that is absent checks nothing.

    ``length`` is the shortest and the longest; ``transit_free_asns`` holds the networks that must not be behind the
    neighbor; ``gateway``: what BIRD made of the next hop is the neighbor; each ``True`` rejects (or,
    ``graceful_shutdown``, honours) what it is named after.
    """

    role: Role
    bogon_prefixes: bool
    bogon_asns: bool
    private_asns: bool
    transit_free_asns: list[int]
    default_route: bool
    length: list[int]
    max_path_length: int
    first_as: bool
    next_hop: Literal["neighbor", "link", "gateway"]
    graceful_shutdown: bool
    blackhole: Blackhole
    tuning: list[Tuning]
    rpki: Validation
    aspa: Validation
    if_supported: bool


class RouteSet(TypedDict):
    """A set for imports. Prefixes may carry lengths: ``192.0.2.0/24{24,28}``. An empty one matches nothing."""

    ipv4: list[str]
    ipv6: list[str]
    asns: list[int]


class _Import(TypedDict):
    accept: Literal["all", "default", "none"]


class Import(_Import, total=False):
    """What is accepted from a neighbor; ``local_pref`` and ``med`` are set on what is accepted.

    ``policy`` names one of the section's policies, ``other_policy`` that for routes of the family that the session's
    address is not of; ``prefixes`` (any must hold the prefix), ``origins`` (any must hold
    the path's last AS) and ``refuse`` (none may hold the prefix or an AS of the path) name its sets. ``last_choice``:
    a drain leads our own traffic to others; whatever else sets a preference.
    """

    max_prefix: Bound | None
    local_pref: int | None
    policy: str
    other_policy: str
    med: int
    max_received: Bound | None
    prefixes: list[str]
    origins: list[str]
    refuse: list[str]
    last_choice: bool


class _Export(TypedDict):
    service: str
    prefixes: list[str]
    communities: list[str]
    large_communities: list[str]
    prepend: int
    med: int | None


class Export(_Export, total=False):
    """One service or aggregate announced to one neighbor; ``prefixes`` are of one family, which the session carries."""

    extended_communities: list[str]


class Key(TypedDict):
    """One TCP-AO key (RFC 5925); ``secret`` names what the minion looks up."""

    id: int
    secret: str
    algorithm: str
    use: Literal["preferred", "normal", "deprecated"]


class Bfd(TypedDict):
    """BFD's times (RFC 5880): ``interval`` in milliseconds, and how many lost packets end the session."""

    interval: int
    multiplier: int


class Vrf(TypedDict):
    """A VRF on the host: its device and its kernel table."""

    device: str
    table: int


class Action(TypedDict, total=False):
    """What a community on a customer's route asks for; exactly one of the two communities is given."""

    community: str
    large_community: str
    refuse: bool
    prepend: int
    no_export: bool


class _Neighbor(TypedDict):
    name: str
    protocol: str
    address: str
    local: str
    device: str | None
    family: Family
    asn: int
    role: Role
    import_: Import
    export: list[Export]


class Neighbor(_Neighbor, total=False):
    """One BGP session. ``protocol`` is its name in BIRD, unique on the host.

    ``device`` is the interface that the neighbor is on; ``None`` is one of our own routers that is further away.
    ``link`` is the network on it, where next hops may be anywhere on it. ``learned`` are the roles whose routes the
    neighbor is told of, ``default_route`` whether we announce one, ``max_exported`` a bound on what it is told.
    ``local_role`` is what we are to it, told when the session opens (RFC 9234); ``require_roles`` insists on an answer.
    ``actions`` are what communities on customers' routes ask for towards it.
    ``passive``, ``ttl_security`` (RFC 5082) and ``graceful_restart`` (RFC 4724) are absent where BIRD's way will do.
    ``import_table`` keeps what the neighbor sent, so that it can be judged again when a cache says something new.
    ``description`` is the name unless stated. ``local`` is empty where the address is link-local: BIRD finds its own.
    ``families`` is there where the session carries more, or other, routes than those of its address's family.
    ``multihop`` is the most hops, ``stale_time`` in seconds (RFC 9494); ``reflected`` (RFC 4456): we are its reflector.
    A plan leaves out what says nothing; older ones have nulls there.
    """

    description: str
    password: SecretReference | None
    hold_time: int | None
    keepalive: int | None
    families: list[Family]
    keys: list[Key]
    bfd: Bfd
    multihop: int
    extended_next_hop: bool
    add_paths: Literal["both", "send", "receive"]
    stale_time: int
    vrf: Vrf
    reflected: bool
    link: str
    learned: list[Role]
    actions: list[Action]
    default_route: bool
    max_exported: Bound | None
    local_role: Literal["provider", "customer", "peer", "rs_server", "rs_client"]
    require_roles: bool
    import_table: bool
    passive: bool
    ttl_security: bool
    graceful_restart: Literal["full", "none"]


def families(neighbor: Neighbor) -> list[Family]:
    """The families of the routes that a session carries, that of its address first if it is one of them."""
    return neighbor.get("families") or [neighbor["family"]]


class ServiceCheck(TypedDict):
    """One check of a service; times in seconds.

    ``target``: a URL, ``ADDRESS:PORT``, or a command as a list. ``expected`` by kind: ``status``, ``body``, ``address``
    (http); ``question``, ``type``, ``answer`` (dns); ``user`` (command).
    """

    name: str
    kind: Literal["http", "tcp", "dns", "command", "pool"]
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


class _BirdSection(TypedDict):
    router_id: str
    asn: int
    table: int
    services: list[Service]
    neighbors: list[Neighbor]


class BirdSection(_BirdSection, total=False):
    """Everything BIRD on one host is to do. ``table`` is the kernel table of the services' routes."""

    policies: dict[str, ImportPolicy]
    sets: dict[str, RouteSet]
    caches: list[Cache]
    aggregates: list[Aggregate]
