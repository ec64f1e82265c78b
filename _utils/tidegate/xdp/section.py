"""The plan's ``xdp`` section: the filter in front of one host."""

from __future__ import annotations

from typing import Literal, TypedDict

from tidegate.bpf.section import Matcher


class FilteredInterface(TypedDict):
    """Where the program is attached, and how: never downgraded silently."""

    name: str
    device: str
    mode: Literal["native", "generic"]


class Rule(Matcher):
    """One rule on some devices. Rules are in order: the first match decides; no match passes."""

    name: str
    action: Literal["allow", "drop"]
    devices: list[str]


class Management(TypedDict):
    """Who must always get through, as far as the policy knows: the host adds its master and open SSH sessions."""

    neighbors: list[str]


class XdpSection(TypedDict):
    """The whole filter of one host; an empty list of interfaces means that nothing here is ours."""

    interfaces: list[FilteredInterface]
    rules: list[Rule]
    management: Management
