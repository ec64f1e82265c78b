"""What a plan says about which packets are meant: one matcher, the same for filter rules and shaping classes."""

from __future__ import annotations

from typing import TypedDict

PortRange = list[int]
"""``[first, last]``, both included."""


class Further(TypedDict, total=False):
    """Conditions that few matchers have. One that is left out is ``None``: any."""

    tcp_flags: list[list[int]] | None
    """``[flags, mask]``: of the flags in the mask exactly these are set; one pair must hold. FIN is 1, CWR 128."""
    icmp_types: list[int] | None
    """Types of ICMP or ICMPv6, whichever the packet is."""
    fragment: list[str] | None
    """Parts of a packet: ``whole``, ``first``, ``later``."""
    length: list[PortRange] | None
    """Bytes of the IP packet with its header, as the header tells them."""


class Matcher(Further):
    """All conditions must hold. ``None`` means any; an empty list means none: it never matches."""

    source: list[str] | None
    destination: list[str] | None
    protocol: int | None
    source_port: list[PortRange] | None
    destination_port: list[PortRange] | None
    dscp: list[int] | None
