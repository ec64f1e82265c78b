"""What the data path has room for, and what encapsulation costs in bytes (``bpf/balance.h`` has the other side)."""

from __future__ import annotations

from tidegate.balancing import maglev

MOST_SERVICES = 64
"""Balanced services of a host: each has a table of 256 KiB in each of two slots."""
MOST_BACKENDS = maglev.MOST_BACKENDS
"""In one pool."""
MOST_ENTRIES = 2048
"""Backends of all services of a host."""
MOST_FRONTENDS = 4096
"""Combinations of an address and a port on a host, in both slots together."""

GUE_PORT = 6080
"""UDP port of generic UDP encapsulation (IANA: gue)."""
_OUTER = {"ipv4": 20, "ipv6": 40}
_HOP = {"ipv4": 4, "ipv6": 16}
_UDP, _GUE, _HOP_HEAD = 8, 4, 4


def overhead(encapsulation: str, family: str) -> int:
    """Bytes that encapsulation adds at most: with a second hop, which GUE carries."""
    outer = _OUTER[family]
    return outer if encapsulation == "ipip" else outer + _UDP + _GUE + _HOP_HEAD + _HOP[family]


def smallest_mtu(encapsulation: str, family: str, *, ipv6: bool) -> int:
    """The smallest MTU on which packets that every network must carry whole still fit (RFC 8200, RFC 791)."""
    return overhead(encapsulation, family) + (1280 if ipv6 else 576)
