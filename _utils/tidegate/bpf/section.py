"""What a plan says about which packets are meant: one matcher, the same for filter rules and shaping classes."""

from __future__ import annotations

from typing import TypedDict

PortRange = list[int]
"""``[first, last]``, both included."""


class Matcher(TypedDict):
    """All conditions must hold. ``None`` means any; an empty list means none: it never matches."""

    source: list[str] | None
    destination: list[str] | None
    protocol: int | None
    source_port: list[PortRange] | None
    destination_port: list[PortRange] | None
    dscp: list[int] | None
