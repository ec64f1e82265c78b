"""Figures as ``tc`` shows them. Pure.

tc rounds on the way in and on the way out, so a figure is a ``Span``: everything that may have been asked for, given
what is shown.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_BITS = {"bit": 1, "Kbit": 10**3, "Mbit": 10**6, "Gbit": 10**9, "Tbit": 10**12}
BYTES = {"b": 1, "Kb": 2**10, "Mb": 2**20, "Gb": 2**30}
_SIZE_ROUNDING = {"b": 0, "Kb": 16, "Mb": 1024, "Gb": 2**20}
_BURST_LOST = 2.2e-6
"""Seconds. tc keeps bursts as time: whole microseconds when it writes and again when it reads, 64 ns ticks between."""


class Span(NamedTuple):
    """What a shown figure may stand for, both ends included."""

    low: int
    high: int

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high


@lru_cache(maxsize=4096)
def exact_rate(bytes_per_second: int) -> Span:
    """Bytes per second, as JSON has them."""
    return Span(bytes_per_second * 8, bytes_per_second * 8 + 7)


@lru_cache(maxsize=4096)
def text_rate(text: str) -> Span:
    """``1234Kbit``: from a million on, tc drops what is below a thousandth instead of rounding."""
    number, unit = split(text)
    rate = number * _BITS[unit]
    return Span(rate, rate + max(7, rate // 1000 if rate >= 10**6 else 0))


@lru_cache(maxsize=4096)
def text_size(text: str, bytes_per_second: int) -> Span:
    """``15Kb/1``: the part behind the slash is the cell size of a rate table that the kernel no longer uses."""
    number, unit = split(text.partition("/")[0])
    return size_span(number * BYTES[unit], _SIZE_ROUNDING[unit], bytes_per_second)


@lru_cache(maxsize=4096)
def size_span(size: int, rounding: int, bytes_per_second: int) -> Span:
    """Bytes, of which tc shows that many at most beside the truth."""
    return Span(size - rounding - 2, size + rounding + 2 + int(bytes_per_second * _BURST_LOST))


def split(text: str) -> tuple[int, str]:
    """``15Kb`` as 15 and its unit; raises ``ValueError`` for what is no figure."""
    matched = re.fullmatch(r"(\d+)([A-Za-z]+)", text)
    if not matched:
        raise ValueError(f"not a figure of tc: {text!r}")
    return int(matched[1]), matched[2]
