"""Policy conditions as matchers: what ``tc/compile.py`` and ``xdp/compile.py`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tidegate.bpf.section import Further, Matcher, PortRange

if TYPE_CHECKING:
    from tidegate.policy.index import Index

MOST_ENTRIES = 64
"""Rules of a host, or matchers of an interface: one bit each in the data path's 64-bit words."""


class Conditions(Protocol):
    """What filter rules and shaping classes both say about packets."""

    @property
    def source(self) -> tuple[str, ...] | None:
        """Names of sets or services, and prefixes."""

    @property
    def destination(self) -> tuple[str, ...] | None:
        """Names of sets or services, and prefixes."""

    @property
    def protocol(self) -> int | None:
        """IP protocol number."""

    @property
    def source_port(self) -> tuple[tuple[int, int], ...] | None:
        """Ranges, both ends included."""

    @property
    def destination_port(self) -> tuple[tuple[int, int], ...] | None:
        """Ranges, both ends included."""


def matcher(conditions: Conditions, index: Index, dscp: tuple[int, ...] | None = None) -> Matcher:
    """One matcher; what the policy leaves out is ``None``: any."""
    compiled: Matcher = {
        "source": None if conditions.source is None else index.prefixes(conditions.source),
        "destination": None if conditions.destination is None else index.prefixes(conditions.destination),
        "protocol": conditions.protocol,
        "source_port": ranges(conditions.source_port),
        "destination_port": ranges(conditions.destination_port),
        "dscp": None if dscp is None else sorted(set(dscp)),
    }
    compiled.update(_further(conditions))  # type: ignore[typeddict-item]
    return compiled


def _further(conditions: Conditions) -> Further:
    """What few rules ask for; what is not asked for is left out."""
    further: Further = {}
    if (flags := getattr(conditions, "tcp_flags", None)) is not None:
        further["tcp_flags"] = [list(pair) for pair in sorted(set(flags))]
    if (types := getattr(conditions, "icmp_types", None)) is not None:
        further["icmp_types"] = sorted(set(types))
    if (parts := getattr(conditions, "fragment", None)) is not None:
        further["fragment"] = sorted(set(parts))
    if (lengths := getattr(conditions, "length", None)) is not None:
        further["length"] = ranges(lengths) or []
    return further


def ranges(ports: tuple[tuple[int, int], ...] | None) -> list[PortRange] | None:
    """Port ranges in order, without repetition."""
    return None if ports is None else [list(span) for span in sorted(set(ports))]
