"""The plan's ``xdp`` section: the filter in front of one host."""

from __future__ import annotations

from typing import Literal, TypedDict

from tidegate.balancing.section import Balancing
from tidegate.bpf.section import Matcher


class FilteredInterface(TypedDict):
    """Where the program is attached, and how: never downgraded silently."""

    name: str
    device: str
    mode: Literal["native", "generic"]


Action = Literal["allow", "drop", "limit", "mark", "count-only"]


class Limit(TypedDict):
    """A token bucket for all that a rule matches, or one for each address."""

    rate: float
    """Packets or bits a second."""
    unit: Literal["packets", "bits"]
    """Bits are those of the frame as it arrives, its checksum left out."""
    burst: int
    """Of the same unit: what a bucket holds when it is full."""
    per: Literal["rule", "source", "destination"]
    lengths: list[int]
    """Bits of an IPv4 and of an IPv6 address that tell buckets apart: ``[32, 128]`` for whole addresses."""


class Effect(TypedDict, total=False):
    """What a rule does besides deciding; left out where it does not."""

    limit: Limit
    mark: int
    """DSCP."""
    drop_budget: float
    """Share of all packets, 0 to 1, that the rule may drop beyond the share it dropped before, once it is in force."""


class Rule(Matcher, Effect):
    """One rule on some devices. Rules are in order: the first that allows or drops decides; no match passes.

    ``limit`` drops what is past the limit; the rest goes on to the next rule, as does all that ``mark`` and
    ``count-only`` match. With a limit, ``count-only`` drops nothing and counts what a limit would have dropped.
    """

    name: str
    action: Action
    devices: list[str]


class Management(TypedDict):
    """Who must always get through, as far as the policy knows: the host adds its master and open SSH sessions."""

    neighbors: list[str]


class Guard(TypedDict, total=False):
    """What few filters have; left out where it is not asked for."""

    tracked: int
    """How many addresses' buckets the host keeps; only with limits per address."""
    balancing: Balancing
    """VIPs that the host balances or answers for."""
    drop_budget: float
    """Share of packets, 0 to 1, that may be dropped beyond the share dropped before, once this is in force."""


class XdpSection(Guard):
    """The whole filter of one host; an empty list of interfaces means that nothing here is ours."""

    interfaces: list[FilteredInterface]
    rules: list[Rule]
    management: Management
