"""``routing.imports`` and a neighbor's ``import``: what is accepted from it, by its role unless stated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator
from typing_extensions import Self

from tidegate.policy.errors import unlike
from tidegate.policy.selectors import Names, Role
from tidegate.policy.strict import Listed, Strict

RESERVED_ASNS = frozenset({0, 23456, 65535, 4294967295})
"""RFC 7607, 6793, 7300."""


def _asn(value: int) -> int:
    if not 0 < value < 2**32 or value in RESERVED_ASNS:
        raise unlike("an AS number from 1 to 4294967294 that is not reserved (0, 23456, 65535, 4294967295)")
    return value


WELL_KNOWN = {
    "graceful-shutdown": "65535:0",
    "blackhole": "65535:666",
    "no-export": "65535:65281",
    "no-advertise": "65535:65282",
    "no-peer": "65535:65284",
}
"""Names of communities: RFC 8326, 7999, 1997, 3765."""


def _standard(text: str) -> str:
    return WELL_KNOWN.get(text) or _community(text, 2, 2**16)


def _extended(text: str) -> str:
    """``rt:64500:100`` (route target) or ``ro:…`` (origin): 2-octet AS and 32 bits, or 4-octet AS and 16 bits."""
    kind, _, numbers = text.partition(":")
    if kind not in ("rt", "ro"):
        raise unlike("'rt' (route target) or 'ro' (origin) and two numbers, such as 'rt:64500:100'")
    asn, value = map(int, _community(numbers, 2, 2**32).split(":"))
    if asn >= 2**16 and value >= 2**16:
        raise unlike("a second number below 65536, as the AS number takes four octets (RFC 5668)")
    return f"{kind}:{asn}:{value}"


def _community(text: str, parts: int, bound: int) -> str:
    numbers = text.split(":")
    if len(numbers) != parts or not all(n.isascii() and n.isdigit() and int(n) < bound for n in numbers):
        example = "64500:100" if parts == 2 else "64500:1:100"
        raise unlike(f"{parts} numbers from 0 to {bound - 1}, such as '{example}'")
    return ":".join(str(int(n)) for n in numbers)


Asn = Annotated[int, AfterValidator(_asn), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 4294967294})]
Community = Annotated[str, AfterValidator(_standard)]
LargeCommunity = Annotated[str, AfterValidator(lambda text: _community(text, 3, 2**32))]
ExtendedCommunity = Annotated[str, AfterValidator(_extended)]
Uint32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
Accept = Literal["all", "default", "none"]
Verdict = Literal["accept", "reject"]


class MaxPrefix(Strict):
    """A bound on the routes of a session."""

    limit: int = Field(ge=1, le=2**31 - 1, description="How many routes are the bound.")
    action: Literal["warn", "block", "restart", "disable"] = Field(
        default="block", description="What happens at the bound: further routes are blocked unless said otherwise."
    )


class Lengths(Strict):
    """The shortest and the longest prefix, in bits."""

    min: int = Field(ge=0, le=128, description="The shortest prefix, such as 8.")
    max: int = Field(ge=0, le=128, description="The longest prefix, such as 24.")

    @field_validator("max")
    @classmethod
    def _in_order(cls, value: int, info: ValidationInfo) -> int:
        if "min" in info.data and value < info.data["min"]:
            raise unlike(f"a length not below min ({info.data['min']})")
        return value


def _of_family(lengths: Lengths, bits: int) -> Lengths:
    if lengths.max > bits:
        raise unlike(f"lengths up to {bits}")
    return lengths


Lengths4 = Annotated[Lengths, AfterValidator(lambda lengths: _of_family(lengths, 32))]
Lengths6 = Annotated[Lengths, AfterValidator(lambda lengths: _of_family(lengths, 128))]


class Blackhole(Strict):
    """Routes by which a neighbor asks us to drop traffic to its own addresses (RFC 7999)."""

    communities: Listed[Community] = Field(
        default=("65535:666",), min_length=1, description="Any of these asks for it; RFC 7999's unless stated."
    )
    ipv4_length: Lengths4 = Field(default=Lengths(min=32, max=32), description="Prefix lengths that may be dropped.")
    ipv6_length: Lengths6 = Field(default=Lengths(min=128, max=128), description="Prefix lengths that may be dropped.")


class Adjustment(Strict):
    """What a community on an accepted route sets."""

    community: Community | None = Field(default=None, description="A community (RFC 1997), such as '64500:80'.")
    large_community: LargeCommunity | None = Field(
        default=None, description="A large community (RFC 8092), such as '64500:80:0'."
    )
    local_pref: Uint32 | None = Field(default=None, description="Local preference of a route that carries it.")
    med: Uint32 | None = Field(default=None, description="MED of a route that carries it.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.community is None) == (self.large_community is None):
            raise unlike("exactly one of community and large_community")
        if self.local_pref is None and self.med is None:
            raise unlike("local_pref, med or both")
        return self


class Import(Strict):
    """What is accepted from a neighbor. What is not stated comes from `routing.imports` for its role, then from us."""

    accept: Accept | None = Field(
        default=None,
        description="All routes that pass the checks below, the default route alone, or none. Unless stated: all from "
        "providers, peers, route servers and our own routers; from customers and route-server clients all that "
        "`prefixes` hold, and none without `prefixes`.",
    )
    max_prefix: MaxPrefix | None = Field(
        default=None, description="A bound on the routes accepted from it; none unless stated."
    )
    max_received: MaxPrefix | None = Field(
        default=None, description="A bound on the routes it sends, accepted or not; none unless stated."
    )
    local_pref: Uint32 | None = Field(
        default=None, description="Local preference of what is accepted; BIRD's (100) unless stated."
    )
    med: Uint32 | None = Field(default=None, description="MED set on what is accepted; kept as sent unless stated.")
    bogon_prefixes: Verdict | None = Field(
        default=None,
        description="Prefixes that nobody may announce: private, shared, documentation and multicast space "
        "(RFC 6890). Unless stated: accepted from our own routers alone.",
    )
    bogon_asns: Verdict | None = Field(
        default=None,
        description="Paths with reserved AS numbers (0, 23456, 65535, documentation), the neighbor's own aside. "
        "Unless stated: accepted from our own routers alone.",
    )
    private_asns: Verdict | None = Field(
        default=None,
        description="Paths with private AS numbers (RFC 6996), the neighbor's own aside. "
        "Unless stated: accepted from our own routers alone.",
    )
    transit_free_asns: Verdict | None = Field(
        default=None,
        description="Paths with a network of `routing.transit_free` behind the neighbor: from peers, customers and "
        "route servers they are leaks. Unless stated: accepted from providers and our own routers alone.",
    )
    ipv4_length: Lengths4 | None = Field(default=None, description="Prefix lengths let in; 8 to 24 unless stated.")
    ipv6_length: Lengths6 | None = Field(default=None, description="Prefix lengths let in; 16 to 48 unless stated.")
    max_path_length: int | None = Field(
        default=None, ge=1, le=255, description="The longest AS path let in; 64 unless stated."
    )
    default_route: Verdict | None = Field(
        default=None,
        description="The default route, among all others. Unless stated: accepted from providers and our own routers "
        "alone.",
    )
    first_as: bool | None = Field(
        default=None,
        description="Whether a path must begin with the neighbor's AS number. Unless stated: yes, but not from route "
        "servers.",
    )
    next_hop: Literal["neighbor", "link", "any"] | None = Field(
        default=None,
        description="Whom routes may point to: the neighbor itself, any address on its link, or anybody. Unless "
        "stated: the neighbor; the link from route servers; anybody from our own routers.",
    )
    prefixes: Names | None = Field(
        default=None, description="Sets (`routing.sets`) that must hold the prefix; any of them is enough."
    )
    origins: Names | None = Field(
        default=None, description="Sets of AS numbers that must hold the path's last; any of them is enough."
    )
    refuse: Names | None = Field(
        default=None, description="Sets of prefixes, and of AS numbers anywhere in the path, that are never let in."
    )
    blackhole: Blackhole | None = Field(
        default=None,
        description="Whether it may ask us to drop traffic to prefixes inside `prefixes`; no unless stated.",
    )
    graceful_shutdown: bool | None = Field(
        default=None,
        description="Whether a route with the community 65535:0 becomes the last choice (RFC 8326); yes unless stated.",
    )
    rpki: Literal["reject-invalid", "tag", "log", "ignore"] | None = Field(
        default=None,
        description="What becomes of routes whose origin is invalid (RFC 6811); `tag` marks every route with the large "
        "community (our AS, 2, state): 1 valid, 2 unknown, 3 invalid. Unless stated: reject-invalid on hosts with a "
        "cache, but for our own routers.",
    )
    rpki_unknown: Verdict | None = Field(
        default=None,
        description="Routes of which no cache says anything, as of all of them while every cache is down for longer "
        "than `expire`; accepted unless stated.",
    )
    aspa: Literal["reject-invalid", "tag", "ignore"] | None = Field(
        default=None,
        description="What becomes of routes whose path is invalid by ASPA; `tag` marks with (our AS, 3, state). Needs "
        "BIRD 2.16. Ignored unless stated.",
    )
    if_supported: bool | None = Field(
        default=None,
        description="Whether a check that a host's BIRD is too old for is left out there; an error unless stated.",
    )
    by_community: Listed[Adjustment] | None = Field(
        default=None, description="What communities on a route set; the first that a route carries counts."
    )


Rules = Mapping[str, Any]
"""Import's fields with what holds for a neighbor; ``None`` where nothing does."""

_OUTSIDE: Rules = {
    "bogon_prefixes": "reject",
    "bogon_asns": "reject",
    "private_asns": "reject",
    "transit_free_asns": "reject",
    "ipv4_length": Lengths(min=8, max=24),
    "ipv6_length": Lengths(min=16, max=48),
    "max_path_length": 64,
    "default_route": "reject",
    "first_as": True,
    "next_hop": "neighbor",
    "graceful_shutdown": True,
    "rpki_unknown": "accept",
}
_BY_ROLE: dict[Role, Rules] = {
    "provider": {**_OUTSIDE, "accept": "all", "transit_free_asns": "accept", "default_route": "accept"},
    "peer": {**_OUTSIDE, "accept": "all"},
    "rs": {**_OUTSIDE, "accept": "all", "first_as": False, "next_hop": "link"},
    "customer": _OUTSIDE,
    "rs-client": _OUTSIDE,
    "ibgp": {
        "accept": "all",
        **dict.fromkeys(
            ("bogon_prefixes", "bogon_asns", "private_asns", "transit_free_asns", "default_route"), "accept"
        ),
        "first_as": False,
        "next_hop": "any",
        "graceful_shutdown": False,
    },
}


def rules(role: Role, of_role: Import | None, own: Import) -> dict[str, Any]:
    """What holds for a neighbor: what it says itself, then what the policy says for its role, then what we say."""
    found: dict[str, Any] = {**dict.fromkeys(Import.model_fields), **_BY_ROLE[role]}
    for stated in (of_role, own):
        if stated is not None:
            found |= {field: getattr(stated, field) for field in stated.model_fields_set}
    if found["accept"] is None:
        # Nobody's routes without a filter that somebody has thought about.
        found["accept"] = "all" if found["prefixes"] else "none"
    return found
