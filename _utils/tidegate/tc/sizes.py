"""What HTB is told of a class beside its rate: how much it may send at once, and in its turn. Pure."""

from __future__ import annotations

MIN_RATE = 8_000
"""bit/s. HTB needs a rate above zero, and at less than 1 kB/s one packet would mortgage its class for seconds."""
BURST_SECONDS = 0.001
"""How much a class may send at once, as time at its rate.

What HTB loses for good is the time by which its timer is late beyond the burst. The timer is an hrtimer (last word of
``/proc/net/psched``), so what counts is not rate/HZ but how late a soft interrupt runs: well below a millisecond on a
host that keeps up. More than that would hit the shallow buffers of the next hop; sqm-scripts use 1 ms as well.
"""
_FRAME = 1514
"""A full Ethernet frame in bytes (MTU 1500). Larger packets are sent as well: HTB's tokens go below zero for them."""
_MIN_BURST = 1600
_QUANTUM_SECONDS = (0.001, 0.01)


def whole_bytes(rate: int) -> int:
    """The kernel counts bytes per second: a rate that is not a multiple of 8 bit/s would never read back equal."""
    return rate // 8 * 8


def burst(rate: int, seconds: float = BURST_SECONDS) -> int:
    """Bytes that may be sent at once."""
    return max(int(rate / 8 * seconds), _MIN_BURST)


def quantum(rate: int, link_rate: int) -> int:
    """Bytes a class may send in its turn among equals that borrow: in proportion to its guarantee.

    The scale is set by the link alone, so that adding a class changes no other: long enough that a guarantee of 1 %
    still gets a full frame a turn (below that, HTB shares by packets instead of bytes), short enough that a round of
    all takes 1 to 10 ms.
    """
    shortest, longest = _QUANTUM_SECONDS
    seconds = min(max(_FRAME / (link_rate / 8 * 0.01), shortest), longest)
    return max(int(rate / 8 * seconds), _FRAME)
