"""``routing``: services, the neighbors we speak BGP with, and which service is announced to whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from tidegate.policy.addresses import Address, Prefix
from tidegate.policy.durations import Duration, between, seconds
from tidegate.policy.errors import unlike
from tidegate.policy.selectors import Match, Recipients, Role
from tidegate.policy.service_checks import OnTrouble, ServiceCheck
from tidegate.policy.strict import Listed, Name, OneOrMore, Several, Strict, Text, one_or_more, spelt

RESERVED_ASNS = frozenset({0, 23456, 65535, 4294967295})
"""RFC 7607, 6793, 7300."""

MOST_CHECKS = 8
"""Of one service: each is a thread of the checker on every host that announces it."""

SENDS_ROUTES: dict[str, Literal["all", "none"]] = {"provider": "all", "peer": "all", "ibgp": "all", "customer": "none"}
"""What is accepted where a neighbor does not say. A customer must be asked for explicitly: its routes need a filter."""


def _asn(value: int) -> int:
    if not 0 < value < 2**32 or value in RESERVED_ASNS:
        raise unlike("an AS number from 1 to 4294967294 that is not reserved (0, 23456, 65535, 4294967295)")
    return value


def _community(text: str, parts: int, bound: int) -> str:
    numbers = text.split(":")
    if len(numbers) != parts or not all(n.isascii() and n.isdigit() and int(n) < bound for n in numbers):
        example = "64500:100" if parts == 2 else "64500:1:100"
        raise unlike(f"{parts} numbers from 0 to {bound - 1}, such as '{example}'")
    return ":".join(str(int(n)) for n in numbers)


Asn = Annotated[int, AfterValidator(_asn), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 4294967294})]
Community = Annotated[str, AfterValidator(lambda text: _community(text, 2, 2**16))]
LargeCommunity = Annotated[str, AfterValidator(lambda text: _community(text, 3, 2**32))]
Uint32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
SECRET = r"[A-Za-z0-9][A-Za-z0-9_./-]{0,95}"
SecretName = Annotated[
    str,
    spelt(SECRET, "the name of a secret such as bgp/lhr1-transit: letters, digits, '_', '.', '/' and '-'"),
    WithJsonSchema({"type": "string", "pattern": f"^{SECRET}$"}),
]


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


class SecretReference(Strict):
    """The name of a secret; the minion looks its value up in its own pillar (`traffic_secrets`)."""

    secret: SecretName = Field(
        description="Key under `traffic_secrets` in the minion's pillar, such as bgp/lhr1-transit."
    )


class MaxPrefix(Strict):
    """A bound on the routes a neighbor may send."""

    limit: int = Field(ge=1, le=2**31 - 1, description="How many routes are the bound.")
    action: Literal["warn", "block", "restart", "disable"] = Field(
        default="block", description="What happens at the bound: further routes are blocked unless said otherwise."
    )


class Import(Strict):
    """What is accepted from a neighbor."""

    accept: Literal["all", "default", "none"] | None = Field(
        default=None,
        description="All routes, the default route alone, or none. "
        "Unless stated: all from providers, peers and our own routers, none from customers.",
    )
    max_prefix: MaxPrefix | None = Field(
        default=None, description="A bound on the routes it may send; none unless stated."
    )
    local_pref: Uint32 | None = Field(
        default=None, description="Local preference of what is accepted; BIRD's (100) unless stated."
    )


class Neighbor(Strict):
    """A BGP neighbor, and the hosts that have a session with it."""

    match: Match = Field(description="The hosts that have this session.")
    address: Address = Field(description="Its address; on a network that an interface of every matched host is in.")
    asn: Asn = Field(description="Its AS number.")
    role: Role = Field(description="What it is to us: provider, peer, customer, or ibgp (our own router).")
    description: Text | None = Field(
        default=None, description="One line for people; the neighbor's name unless stated."
    )
    password: SecretReference | None = Field(default=None, description="TCP MD5 password (RFC 2385), by reference.")
    hold_time: int | None = Field(
        default=None, ge=3, le=65535, description="Seconds without a message until the session ends."
    )
    keepalive: int | None = Field(
        default=None, ge=1, le=65535, description="Seconds between keepalives; below the hold time."
    )
    import_: Import = Field(default_factory=Import, alias="import", description="What is accepted from it.")

    @property
    def accepts(self) -> Literal["all", "default", "none"]:
        """What is accepted from it, by its role where the policy does not say."""
        return self.import_.accept or SENDS_ROUTES[self.role]


class Announcement(Strict):
    """A service announced by some hosts to some of their neighbors, and with which attributes."""

    service: Name = Field(description="The service announced.")
    match: Match = Field(description="The hosts that announce it.")
    to: Recipients = Field(description="To which of their neighbors.")
    communities: Listed[Community] = Field(default=(), description="Communities (RFC 1997), such as '64500:100'.")
    large_communities: Listed[LargeCommunity] = Field(
        default=(), description="Large communities (RFC 8092), '64500:1:100'."
    )
    prepend: int = Field(0, ge=0, le=10, description="How many times our AS number is added to the path.")
    med: Uint32 | None = Field(default=None, description="Multi-exit discriminator; not sent unless stated.")


class Routing(Strict):
    """Our AS, its services, its neighbors, and what is announced to whom."""

    asn: Asn = Field(description="Our AS number.")
    services: dict[Name, Service] = Field(default_factory=dict, description="Services by name.")
    neighbors: dict[Name, Neighbor] = Field(default_factory=dict, description="Neighbors by name.")
    announcements: Listed[Announcement] = Field(
        default=(), description="Which service is announced where, to whom and how."
    )
