"""``balancing``: addresses that many servers answer for, and which servers those are. See ``docs/balancing.md``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from tidegate.balancing.section import PoolCheck
from tidegate.policy.addresses import Address, Prefix, family
from tidegate.policy.durations import Duration, between, seconds
from tidegate.policy.errors import unlike
from tidegate.policy.packets import PROTOCOLS
from tidegate.policy.selectors import Match, Names, Patterns
from tidegate.policy.strict import NAME, Name, Several, Strict, one_or_more

MOST_WEIGHT = 10_000
_PORT = re.compile(r"(tcp|udp)/([0-9]{1,5})")
_PERCENT = re.compile(r"([0-9]{1,3})%")
_PATH = re.compile(r"/[!-~]{0,300}")


def _port(value: Any) -> tuple[int, int]:
    """``tcp/443`` as (protocol, port)."""
    if isinstance(value, tuple):
        return value
    match = _PORT.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0 < int(match[2]) <= 65535:
        raise unlike("a protocol and a port such as tcp/443 or udp/53")
    return PROTOCOLS[match[1]], int(match[2])


def _percent(text: str) -> str:
    match = _PERCENT.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= 100:
        raise unlike("a percentage from 1% to 100%")
    return text


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise unlike("the path of a URL such as /health", "The backend's address and the port are put before it.")
    return text


Port = Annotated[tuple[int, int], BeforeValidator(_port)]
_PORT_SCHEMA = {"type": "string", "pattern": "^(tcp|udp)/[0-9]{1,5}$"}
Weight = Annotated[int, Field(ge=0, le=MOST_WEIGHT)]
Turns = Annotated[int, Field(ge=1, le=100)]


class BackendCheck(Strict):
    """How every balancer finds out which backends are well; it asks each at its own address."""

    port: int = Field(ge=1, le=65535, description="The port it connects to on every backend.")
    http: Annotated[str, AfterValidator(_path)] | None = Field(
        default=None, description="A path to get over HTTP, such as /health; a TCP connection is enough unless stated."
    )
    status: int | None = Field(
        default=None, ge=100, le=599, description="The HTTP status that is good; any from 200 to 299 unless stated."
    )
    interval: Annotated[Duration, between("1s", "10m")] = Field(default="2s", description="From one look to the next.")
    timeout: Annotated[Duration, between("1s", "10m")] = Field(
        default="1s", description="How long a look may take; at most the interval."
    )
    rise: Turns = Field(default=3, description="So many good looks in a row make a backend well again.")
    fall: Turns = Field(default=3, description="So many bad looks in a row make it sick.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if seconds(self.timeout) > seconds(self.interval):
            raise unlike(f"a timeout of at most the interval, {self.interval}", "Looks of one check do not overlap.")
        if self.status is not None and self.http is None:
            raise unlike("'status' beside http alone", "A TCP connection has no status.")
        return self

    def settings(self) -> PoolCheck:
        """Plain data for the plan, times in seconds."""
        return {
            "port": self.port,
            "http": self.http,
            "status": self.status,
            "interval": seconds(self.interval),
            "timeout": seconds(self.timeout),
            "rise": self.rise,
            "fall": self.fall,
        }


class Pool(Strict):
    """The servers behind a VIP."""

    match: Match = Field(description="The hosts that serve.")
    scope: Literal["pop", "region"] = Field(
        default="pop", description="Whether a balancer uses those of its own PoP alone, or of its region."
    )
    interface: Name | None = Field(
        default=None,
        description="The interface whose first address of the pool's family takes encapsulated packets; the first "
        "that has one unless stated.",
    )
    family: Literal["ipv4", "ipv6"] = Field(
        default="ipv4", description="Over which of the backends' addresses packets travel; VIPs of both go over either."
    )
    weights: dict[Annotated[str, WithJsonSchema({"type": "string", "pattern": NAME})], Weight] = Field(
        default_factory=dict,
        description="Host name (or pattern with `*`, `?`, `[…]`) → its share of new flows against the others'; 100 "
        "unless stated. A name goes before patterns, and the first pattern decides. 0: none, old flows included.",
    )
    drain: Patterns | None = Field(
        default=None, description="Hosts that get no new flows and keep the old ones; needs gue."
    )
    mtu: int | None = Field(
        default=None,
        ge=576,
        le=65535,
        description="The largest packet that gets from balancers to servers; the interface's MTU unless stated.",
    )
    check: BackendCheck | None = Field(
        default=None, description="How balancers find out which backends are well; all are used unless stated."
    )
    min_capacity: Annotated[str, AfterValidator(_percent)] = Field(
        default="1%",
        description="The share of the pool's weight that must be well for the VIPs to be announced; needs a check.",
    )

    @property
    def min_percent(self) -> int:
        """``min_capacity`` as a number."""
        return int(self.min_capacity.rstrip("%"))


class BalancedService(Strict):
    """VIPs, and the servers that answer for them."""

    vips: Annotated[tuple[Address, ...], Several, WithJsonSchema(one_or_more({"type": "string"}))] = Field(
        description="The addresses, each in a prefix of an announced service: its hosts are the balancers."
    )
    ports: Annotated[tuple[Port, ...], Several, WithJsonSchema(one_or_more(_PORT_SCHEMA))] = Field(
        description="Protocols and ports such as tcp/443, or a list of them."
    )
    interface: Names | None = Field(
        default=None,
        description="Where packets for the VIPs arrive; the interfaces of the sessions that announce them unless "
        "stated.",
    )
    pool: Pool = Field(description="The servers.")
    encapsulation: Literal["ipip", "gue"] = Field(
        default="gue",
        description="How packets travel to a server: gue (UDP port 6080) can drain, ipip costs 8 to 32 bytes less.",
    )
    affinity: Literal["flow", "source"] = Field(
        default="flow",
        description="What goes to one server: a flow (addresses and ports), or all of a source address, fragments too.",
    )


class Outer(Strict):
    """From which addresses balancers send: one of the prefix for each flow, so that servers spread them over queues."""

    ipv4: Prefix | None = Field(default=None, description="For IPv4 outside; the balancer's own address unless stated.")
    ipv6: Prefix | None = Field(default=None, description="For IPv6 outside; the balancer's own address unless stated.")

    @model_validator(mode="after")
    def _families(self) -> Self:
        for key, kind in (("ipv4", 4), ("ipv6", 6)):
            value = getattr(self, key)
            if value is not None and family(value) != kind:
                raise unlike(f"an IPv{kind} prefix for {key}")
        return self

    def of(self, kind: str) -> str | None:
        """The prefix of a family."""
        return self.ipv4 if kind == "ipv4" else self.ipv6


class Balancing(Strict):
    """Which addresses are balanced over which servers."""

    services: dict[Name, BalancedService] = Field(default_factory=dict, description="Balanced services by name.")
    outer: Outer = Field(
        default_factory=Outer,
        description="From which addresses encapsulated packets come; a balancer's own unless stated.",
    )
