"""The plan's ``tc`` section: one HTB tree per interface. Rates are bit/s."""

from __future__ import annotations

from typing import TypedDict

from tidegate.bpf.section import Matcher


class TrafficClass(TypedDict):
    """One HTB class; ``minor`` is the class id's lower half and belongs to the name, not to the position."""

    name: str
    minor: int
    priority: int
    guarantee: int
    ceiling: int
    default: bool
    match: list[Matcher]


class ShapedInterface(TypedDict):
    """One interface's tree; exactly one class is the default."""

    name: str
    device: str
    rate: int
    classes: list[TrafficClass]


class TcSection(TypedDict):
    """Every interface shaped on one host; an empty list means that nothing here is ours."""

    interfaces: list[ShapedInterface]
