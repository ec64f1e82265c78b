"""``filtering``: named sets of prefixes, and the rules that allow, drop, limit, mark or count arriving packets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, WrapValidator, model_validator
from typing_extensions import Self

from tidegate.policy import prefix_files
from tidegate.policy.addresses import Prefix, prefix
from tidegate.policy.errors import unlike
from tidegate.policy.limits import RateLimit
from tidegate.policy.packets import ICMP_TYPES, Dscp, DscpValue, IcmpTypes, Lengths, Parts, Ports, Protocol, TcpFlags
from tidegate.policy.prefix_files import FILE
from tidegate.policy.selectors import Match, Names
from tidegate.policy.strict import NAME, Listed, Name, Several, Strict, one_or_more, spelt


def _target(text: str) -> str:
    if "/" in text or ":" in text or IPV4.fullmatch(text):
        return prefix(text)
    if not re.fullmatch(NAME, text):
        raise unlike("the name of a set or service, or a prefix")
    return text


IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3}")
Target = Annotated[str, AfterValidator(_target)]
Targets = Annotated[tuple[Target, ...], Several, WithJsonSchema(one_or_more({"type": "string"}))]
"""Names of sets or services, and prefixes, mixed as one likes."""
Percentage = Annotated[str, spelt(r"(100|[1-9]?[0-9])(\.[0-9]+)?%", "a percentage from 0% to 100%")]


def _checked(value: Any, check: Callable[[Any], Any]) -> Any:
    """Prefixes from a file are checked as they are read: a million of them once is enough."""
    return tuple(value) if isinstance(value, prefix_files.Prefixes) else check(value)


Prefixes = Annotated[
    tuple[Prefix, ...], Several, WrapValidator(_checked), WithJsonSchema(one_or_more({"type": "string"}))
]


def _share(percentage: str | None) -> float | None:
    """``20%`` as 0.2."""
    return None if percentage is None else float(percentage.rstrip("%")) / 100


class PrefixSet(Strict):
    """Prefixes under one name."""

    prefixes: Prefixes | None = Field(default=None, description="The set's prefixes, of either family.")
    file: Annotated[str, spelt(FILE, "a file below the policy's folder, such as sets/abusers.txt")] | None = Field(
        default=None, description="A file below the policy's folder that holds them, one a line; up to 1,000,000."
    )

    @model_validator(mode="after")
    def _has_some(self) -> Self:
        if self.prefixes is None:
            raise unlike("prefixes, or a file that holds them")
        return self

    @property
    def members(self) -> tuple[str, ...]:
        """The prefixes, wherever they came from."""
        return self.prefixes or ()


class Rule(Strict):
    """One rule. Rules are in order: the first that matches decides, and a packet that none matches passes."""

    name: Name = Field(description="Name of the rule, unique; its counter carries it.")
    match: Match = Field(description="The hosts that have the rule.")
    interface: Names = Field(description="The interface, or interfaces, on which packets arrive.")
    source: Targets | None = Field(
        default=None, description="Where packets come from: sets, services, prefixes; any unless stated."
    )
    destination: Targets | None = Field(
        default=None, description="Where packets go to: sets, services, prefixes; any unless stated."
    )
    protocol: Protocol | None = Field(
        default=None, description="tcp, udp, icmp, icmpv6, gre or a number; any unless stated."
    )
    source_port: Ports | None = Field(
        default=None, description="A port, a range 'a-b', or a list of them; needs tcp or udp."
    )
    destination_port: Ports | None = Field(
        default=None, description="A port, a range 'a-b', or a list of them; needs tcp or udp."
    )
    tcp_flags: TcpFlags | None = Field(
        default=None,
        description="Flags that are set, and with '!' those that are not: 'syn,!ack', none; or a list of such.",
    )
    icmp_type: IcmpTypes | None = Field(
        default=None, description="ICMP types by name (echo-request) or number; needs icmp or icmpv6."
    )
    fragment: Parts | None = Field(default=None, description="Which part of a packet: whole, first, later.")
    length: Lengths | None = Field(
        default=None, description="Bytes of the IP packet with its header, or a range 'a-b'."
    )
    dscp: Dscp | None = Field(default=None, description="DSCP by name (cs6, af41, ef) or number, or a list.")
    action: Literal["allow", "drop", "limit", "mark", "count-only"] = Field(
        description="What happens to packets that match: allow and drop decide; limit drops what is past its limit; "
        "mark writes a DSCP; count-only shows what a drop or, with a limit, a limit would do. What the last three do "
        "not drop goes on to the next rule."
    )
    limit: RateLimit | None = Field(default=None, description="The rate limit of action limit, or of count-only.")
    mark: DscpValue | None = Field(default=None, description="The DSCP that action mark writes into the packet.")
    drop_budget: Percentage | None = Field(
        default=None,
        description="The share of all packets that this rule may drop beyond what it dropped before, in the first "
        "seconds of a change; past it, the change is taken back. With action drop or limit.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.action == "limit") > (self.limit is not None):
            raise unlike("a limit beside action: limit", "For example limit: {rate: 10kpps, per: source}.")
        if self.limit is not None and self.action not in ("limit", "count-only"):
            raise unlike("action: limit, or count-only, beside a limit")
        if (self.action == "mark") != (self.mark is not None):
            raise unlike("action: mark and mark: DSCP together, or neither")
        if self.drop_budget is not None and self.action not in ("drop", "limit"):
            raise unlike("action: drop or limit beside a drop_budget", "Nothing else drops.")
        return self

    @property
    def icmp_types(self) -> tuple[int, ...] | None:
        """The types' numbers for the rule's protocol; a name that the protocol lacks is left out."""
        if self.icmp_type is None:
            return None
        numbers = (ICMP_TYPES[one].get(self.protocol or 0) if isinstance(one, str) else one for one in self.icmp_type)
        return tuple(number for number in numbers if number is not None)

    @property
    def drop_budget_share(self) -> float | None:
        """The budget as a share from 0 to 1."""
        return _share(self.drop_budget)


class Filtering(Strict):
    """What is dropped in front of a host, and what is not."""

    sets: dict[Name, PrefixSet] = Field(default_factory=dict, description="Sets of prefixes by name.")
    rules: Listed[Rule] = Field(default=(), description="The rules, in order.")
    tracked: Annotated[int, Field(ge=1024, le=4194304)] = Field(
        default=65536,
        description="How many addresses and prefixes a host's limits keep a bucket for; the longest unseen go first.",
    )
    drop_budget: Percentage | None = Field(
        default=None,
        description="The share of packets that new rules may drop beyond what was dropped before; past it, the change "
        "is taken back.",
    )

    @property
    def drop_budget_share(self) -> float | None:
        """The budget as a share from 0 to 1."""
        return _share(self.drop_budget)
