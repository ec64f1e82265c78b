"""How much address space prefixes cover: IPv4 in addresses, IPv6 in /64s, each address once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any

from tidegate.bpf.section import Matcher

ALL_V4 = 2**32
ALL_V6_64 = 2**64

Span = tuple[int, int]
"""First and last address as numbers."""


@lru_cache(maxsize=1 << 17)
def span(prefix: str) -> Span:
    """The first and last address of a prefix, or of a single address, as numbers.

    Raises:
        ValueError: It is no prefix.
    """
    address, slash, length = prefix.partition("/")
    bits = 128 if ":" in prefix else 32
    try:
        first = int.from_bytes(inet_pton(AF_INET6 if bits == 128 else AF_INET, address), "big")
    except OSError:
        raise ValueError(f"{prefix!r} is no prefix") from None
    # int() would take spaces, signs and other scripts' digits.
    if slash and not (length.isascii() and length.isdigit()):
        raise ValueError(f"{prefix!r} is no prefix")
    if slash and not 0 <= int(length) <= bits:
        raise ValueError(f"{prefix!r} is no prefix")
    rest = (1 << bits - int(length if slash else bits)) - 1
    return first & ~rest, first | rest


def merged(prefixes: Iterable[str], family: int) -> list[Span]:
    """What prefixes of one family (4 or 6) cover together: spans in order that do not touch.

    What is no prefix covers nothing; the rule ``artefact-size`` reports it.
    """
    found: list[Span] = []
    for first, last in sorted(_spans(prefixes, family)):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def _spans(prefixes: Iterable[str], family: int) -> Iterator[Span]:
    for prefix in prefixes:
        if (6 if ":" in prefix else 4) == family:
            with suppress(ValueError):
                yield span(prefix)


def within(inner: Span, spans: list[Span]) -> bool:
    """Whether one of some merged spans holds all of a span."""
    position = bisect_right(spans, (inner[0], 1 << 128)) - 1
    return position >= 0 and spans[position][0] <= inner[0] and inner[1] <= spans[position][1]


def overlaps(one: Span, spans: list[Span]) -> bool:
    """Whether some merged spans and a span have an address in common."""
    position = bisect_right(spans, (one[1], 1 << 128)) - 1
    return position >= 0 and spans[position][1] >= one[0]


@dataclass(frozen=True)
class Size:
    """Addresses of IPv4, and /64s of IPv6 (a longer prefix counts as the one it is in)."""

    v4: int
    v6: int

    @classmethod
    def of(cls, prefixes: Iterable[str] | None) -> Size:
        """The size of what prefixes cover together; ``None`` is everything."""
        if prefixes is None:
            return cls(ALL_V4, ALL_V6_64)
        kept = list(prefixes)
        v4 = sum(last - first + 1 for first, last in merged(kept, 4))
        v6 = 0
        counted = -1
        for first, last in merged(kept, 6):
            begin = max(first >> 64, counted + 1)
            v6 += max(0, (last >> 64) - begin + 1)
            counted = max(counted, last >> 64)
        return cls(v4, v6)


@dataclass(frozen=True)
class Space:
    """What a rule covers by source and by destination."""

    source: Size
    destination: Size

    @classmethod
    def of(cls, matcher: Matcher) -> Space:
        """The space of a rule's conditions."""
        return cls(Size.of(matcher["source"]), Size.of(matcher["destination"]))

    def as_dict(self) -> dict[str, Any]:
        """IPv4 in addresses and as a share of all, IPv6 in /64s."""
        return {
            name: {"ipv4_addresses": size.v4, "ipv4_share": size.v4 / ALL_V4, "ipv6_64s": size.v6}
            for name, size in (("source", self.source), ("destination", self.destination))
        }
