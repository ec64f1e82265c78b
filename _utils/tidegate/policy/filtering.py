"""``filtering``: named sets of prefixes, and the rules that drop or allow packets as they arrive."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from tidegate.policy.addresses import Prefix, prefix
from tidegate.policy.errors import unlike
from tidegate.policy.packets import Ports, Protocol
from tidegate.policy.selectors import Match, Names
from tidegate.policy.strict import NAME, Listed, Name, Several, Strict, one_or_more


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


class PrefixSet(Strict):
    """Prefixes under one name."""

    prefixes: Annotated[tuple[Prefix, ...], Several, WithJsonSchema(one_or_more({"type": "string"}))] = Field(
        description="The set's prefixes, of either family."
    )


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
    action: Literal["allow", "drop"] = Field(description="What happens to packets that match.")


class Filtering(Strict):
    """What is dropped in front of a host, and what is not."""

    sets: dict[Name, PrefixSet] = Field(default_factory=dict, description="Sets of prefixes by name.")
    rules: Listed[Rule] = Field(default=(), description="The rules, in order.")
