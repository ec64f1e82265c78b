"""``routing``: services, the neighbors we speak BGP with, and which service is announced to whom."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from tidegate.policy.actions import Action
from tidegate.policy.addresses import NeighborAddress, Prefix
from tidegate.policy.durations import Duration, between, seconds
from tidegate.policy.errors import unlike
from tidegate.policy.importing import Asn, Community, ExtendedCommunity, Import, LargeCommunity, Uint32, rules
from tidegate.policy.meshes import Mesh
from tidegate.policy.passing import Export
from tidegate.policy.route_sets import RouteSet
from tidegate.policy.rpki import Rpki
from tidegate.policy.selectors import Match, Recipients, Role
from tidegate.policy.service_checks import OnTrouble, ServiceCheck
from tidegate.policy.sessions import Family, SessionOptions
from tidegate.policy.strict import Listed, Name, OneOrMore, Several, Strict, Text, one_or_more

MOST_CHECKS = 8
"""Of one service: each is a thread of the checker on every host that announces it."""

OpenRoles = Literal["none", "announce", "require"]

TRANSIT_FREE = (174, 701, 1299, 2914, 3257, 3320, 3356, 3491, 5511, 6453, 6461, 6762, 6830, 7018, 12956)
"""AS numbers of networks known to be free of transit, as of 2025 (Wikipedia, "Tier 1 network")."""


class Service(Strict):
    """Prefixes that belong together and are healthy together."""

    prefixes: Annotated[tuple[Prefix, ...], Several, WithJsonSchema(one_or_more({"type": "string"}))] = Field(
        description="The prefixes announced for it, of either family."
    )
    min_pops: int = Field(
        default=1, ge=0, description="In how many PoPs every prefix must be announced, at the least; 0 allows none."
    )
    control_plane: bool = Field(
        default=False,
        description="Whether we need it ourselves to reach or run the fleet: a release that announces it anywhere less "
        "than now needs a waiver.",
    )
    check: Annotated[tuple[ServiceCheck, ...], Several, OneOrMore, Field(max_length=MOST_CHECKS)] | None = Field(
        default=None,
        description="How every host that announces it finds out whether it can serve it: one check, or a list of which "
        "all must be well. Announced whatever happens unless stated.",
    )
    hold: Annotated[Duration, between("0s", "1d")] | None = Field(
        default=None,
        description="How long all its checks must be well before it is announced again; 10s unless stated.",
    )
    on_all_down: OnTrouble | None = Field(
        default=None,
        description="What happens where it seems to be sick everywhere, so that the checking itself is in doubt: "
        "withdraw unless stated; keep fails open.",
    )
    on_checker_loss: OnTrouble | None = Field(
        default=None,
        description="What happens on a host whose checker is gone for 5 s: keep what was last known unless stated.",
    )

    @property
    def hold_seconds(self) -> float | None:
        """How long its checks must be well before it is announced again; ``None`` where the policy does not say."""
        return None if self.hold is None else seconds(self.hold)

    @model_validator(mode="after")
    def _checked(self) -> Self:
        stray = [key for key in ("hold", "on_all_down", "on_checker_loss") if getattr(self, key) is not None]
        if stray and self.check is None:
            raise unlike(f"'{stray[0]}' beside a check", "Nothing is withdrawn for a service without one.")
        names = [check.label for check in self.check or ()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise unlike("checks with names of their own", f"Two are called '{twice}': give one a name.")
        return self


class Aggregate(Strict):
    """A prefix announced for a service while the service itself is there, and not a moment longer."""

    prefix: Prefix = Field(description="The prefix announced; it holds a prefix of the service.")
    of: Name = Field(description="The service without which it is not announced.")


def _named_by_either(schema: dict[str, Any]) -> None:
    """AS number and role may come from the template."""
    schema["required"] = ["match", "address"]
    schema["allOf"] = [{"anyOf": [{"required": ["template"]}, {"required": ["asn", "role"]}]}]


class Template(SessionOptions):
    """What neighbors that name it have in common; what a neighbor says itself goes before it, key by key."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    asn: Asn | None = Field(default=None, description="The AS number of the neighbors.")
    role: Role | None = Field(default=None, description="What the neighbors are to us.")
    description: Text | None = Field(default=None, description="One line for people.")
    roles: OpenRoles = Field(default="none", description="As of a neighbor (RFC 9234).")
    import_: Import | None = Field(default=None, alias="import", description="What is accepted from the neighbors.")
    export: Export | None = Field(default=None, description="What the neighbors are told besides our services.")


class Neighbor(SessionOptions):
    """A BGP neighbor, and the hosts that have a session with it."""

    model_config = ConfigDict(json_schema_extra=_named_by_either)

    match: Match = Field(description="The hosts that have this session.")
    address: NeighborAddress = Field(
        description="Its address; on a network that an interface of every matched host is in, or link-local."
    )
    asn: Asn = Field(description="Its AS number.")
    role: Role = Field(
        description="What it is to us: provider, peer, customer, rs (an exchange's route server), rs-client (we are "
        "its route server), or ibgp (our own router)."
    )
    template: Name | None = Field(
        default=None, description="One of `routing.templates`, for all that the neighbor does not say itself."
    )
    description: Text | None = Field(
        default=None, description="One line for people; the neighbor's name unless stated."
    )
    roles: OpenRoles = Field(
        default="none",
        description="Whether both ends tell each other their roles (RFC 9234) and mark routes that must not go up "
        "again; `require` ends a session with a neighbor that does not. A neighbor of another opinion ends it too.",
    )
    reflected: bool = Field(
        default=False, description="Whether we are the neighbor's route reflector (RFC 4456); for our own routers."
    )
    import_: Import = Field(default_factory=Import, alias="import", description="What is accepted from it.")
    export: Export = Field(default_factory=Export, description="What it is told besides our services.")

    @property
    def spoken(self) -> tuple[Family, ...]:
        """The families of its routes, that of its address first."""
        own: Family = "ipv6" if ":" in self.address else "ipv4"
        families = set(self.families or (own,))
        return tuple(sorted(families, key=lambda family: (family != own, family)))


class Announcement(Strict):
    """A service announced by some hosts to some of their neighbors, and with which attributes."""

    service: Name = Field(description="The service, or the aggregate, announced.")
    match: Match = Field(description="The hosts that announce it.")
    to: Recipients = Field(description="To which of their neighbors.")
    communities: Listed[Community] = Field(
        default=(),
        description="Communities (RFC 1997), such as '64500:100', or no-export, no-advertise, no-peer, blackhole, "
        "graceful-shutdown.",
    )
    large_communities: Listed[LargeCommunity] = Field(
        default=(), description="Large communities (RFC 8092), '64500:1:100'."
    )
    extended_communities: Listed[ExtendedCommunity] = Field(
        default=(), description="Extended communities (RFC 4360): 'rt:64500:100' or 'ro:64500:100'."
    )
    prepend: int = Field(0, ge=0, le=10, description="How many times our AS number is added to the path.")
    med: Uint32 | None = Field(default=None, description="Multi-exit discriminator; not sent unless stated.")


class Routing(Strict):
    """Our AS, its services, its neighbors, and what is announced to whom."""

    asn: Asn = Field(description="Our AS number.")
    services: dict[Name, Service] = Field(default_factory=dict, description="Services by name.")
    aggregates: dict[Name, Aggregate] = Field(
        default_factory=dict, description="Aggregates by name; announced like services, by that name."
    )
    neighbors: dict[Name, Neighbor] = Field(default_factory=dict, description="Neighbors by name.")
    templates: dict[Name, Template] = Field(
        default_factory=dict, description="What several neighbors have in common, by the name they ask for it by."
    )
    meshes: dict[Name, Mesh] = Field(
        default_factory=dict, description="Sessions between our own routers, worked out from the fleet."
    )
    imports: dict[Role, Import] = Field(
        default_factory=dict, description="What is accepted from neighbors of a role, unless they say themselves."
    )
    sets: dict[Name, RouteSet] = Field(
        default_factory=dict, description="Sets of prefixes and of AS numbers, for what is accepted."
    )
    rpki: Rpki | None = Field(default=None, description="Where routes' origins are looked up; nowhere unless stated.")
    transit_free: Listed[Asn] = Field(
        default=TRANSIT_FREE, description="Networks that buy transit from nobody; the well-known ones unless stated."
    )
    actions: Listed[Action] = Field(
        default=(),
        description="Communities by which customers and route-server clients say to whom their routes go, and how.",
    )
    announcements: Listed[Announcement] = Field(
        default=(), description="Which service is announced where, to whom and how."
    )

    def rules(self, neighbor: Neighbor) -> dict[str, Any]:
        """What is accepted from a neighbor: every field of `import` with what holds."""
        return rules(neighbor.role, self.imports.get(neighbor.role), neighbor.import_)
