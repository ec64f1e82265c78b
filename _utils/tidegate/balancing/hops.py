"""Where a bucket's packets go first, and who may still hold their connection: first hop and second hop. Pure.

Every bucket has its backends in an order that only a change of the pool itself alters: its Maglev owner, then the
owners of buckets that a hash of its number leads to, each backend once. The first hop is the first of them that takes
new flows; the second hop is the first other one that is alive. A packet of a connection that the first hop does not
know is handed on to the second (``bpf/balance.h``), so that no balancer has to remember a connection:

    all is well        A, then B     a connection that B took while A was ill still finds B
    A is draining      B, then A     new flows go to B, A keeps what it has
    A is ill           B, then C

A backend that is drained or falls ill moves nobody else's flows, because the order stays and only its own buckets
are looked for further down. (After "Unimog", blog.cloudflare.com, 2020, and GLB Director's design, both of which
forward on the server; here the order comes from Maglev's table.)
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence

NONE = 0xFFFF
"""No backend."""
_PROBES = 24
_GOLDEN = 0x9E3779B1


def hops(owners: Sequence[int], takes: Collection[int], alive: Collection[int]) -> array[int]:
    """First and second hop of every bucket, in one word each: ``first | second << 16``.

    Args:
        owners: Maglev's table.
        takes: Backends that take new flows; all of them are alive.
        alive: Backends that may hold connections.
    """
    size = len(owners)
    everyone = sorted(set(owners))
    words = array("Q", bytes(8 * size))
    for bucket, owner in enumerate(owners):
        first = owner if owner in takes else NONE
        second = owner if first == NONE and owner in alive else NONE
        probe = bucket
        for _ in range(_PROBES):
            if NONE not in (first, second):
                break
            probe = (probe * _GOLDEN + 0x7F4A7C15 & 0xFFFFFFFF) % size
            candidate = owners[probe]
            if first == NONE and candidate in takes:
                first = candidate
            elif second == NONE and candidate != first and candidate in alive:
                second = candidate
        else:
            first, second = _exhausted(everyone, bucket, first, second, takes, alive)
        words[bucket] = first | second << 16
    return words


def _exhausted(
    everyone: Sequence[int], bucket: int, first: int, second: int, takes: Collection[int], alive: Collection[int]
) -> tuple[int, int]:
    """Few are left: go round all backends from a place that the bucket decides."""
    start = bucket % len(everyone)
    for candidate in (*everyone[start:], *everyone[:start]):
        if first == NONE and candidate in takes and candidate != second:
            first = candidate
        elif second == NONE and candidate in alive and candidate != first:
            second = candidate
    return first, second
