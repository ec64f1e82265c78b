"""Token buckets in the kernel's terms; ``bpf/bucket.h`` has the other side."""

from __future__ import annotations

import ctypes
import time
from ctypes import c_uint64

TIME_SHIFT, COST_SHIFT = 4, 20
NANOSECONDS = 10**9
_COARSE = 6
"""``CLOCK_MONOTONIC_COARSE``: its resolution is one tick of the kernel."""


class Pace(ctypes.Structure):
    """``struct pace``: what a unit costs, and what a full bucket is worth, in sixteenths of a nanosecond."""

    _fields_ = (("cost", c_uint64), ("burst", c_uint64), ("tick", c_uint64))


def pace(per_second: float, burst: int) -> Pace:
    """A limit of so many packets or bytes per second, with a burst of so many."""
    cost = round((NANOSECONDS << TIME_SHIFT + COST_SHIFT) / per_second)
    return Pace(cost, cost * burst >> COST_SHIFT, bucket_time(tick()))


def bucket_time(seconds: float) -> int:
    """Seconds as buckets count them."""
    return round(seconds * NANOSECONDS) << TIME_SHIFT


def per_second(cost: int) -> float:
    """The packets or bytes per second that ``pace`` was given, within what it rounds."""
    return (NANOSECONDS << TIME_SHIFT + COST_SHIFT) / cost


def tick() -> float:
    """How long the kernel's tick is, in seconds: what it is worth comes at once, so no burst should be below it."""
    return time.clock_getres(_COARSE)
