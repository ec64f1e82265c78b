"""Maglev hashing with weights: which backend each bucket belongs to. Pure.

After D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4: every
backend has a permutation of the buckets, made of an offset and a step from two hashes of its name; in turns, each takes
the next free bucket of its own. With weights, a backend takes its turn only when it has saved up a whole turn: in each
round it saves its weight over the largest.

    buckets = table([("server1", 100), ("server2", 50)])      # SIZE indexes, two thirds of them 0

Tables depend on names and weights alone: every balancer comes to the same one, in whatever order it is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

SIZE = 65_537
"""Buckets of a pool: a prime, so that every step visits all; 100 for each of 655 backends (the paper's rule)."""
MOST_BACKENDS = 655


def table(backends: Sequence[tuple[str, int]], size: int = SIZE) -> list[int]:
    """The index in ``backends`` for each bucket.

    Args:
        backends: Names, all different, with weights; a weight of 0 takes no bucket.
        size: How many buckets; a prime larger than the number of backends.

    Returns:
        ``size`` indexes, or an empty list if no backend has a weight.
    """
    order = [number for number, (_, weight) in enumerate(backends) if weight > 0]
    order.sort(key=lambda number: backends[number][0])
    if not order:
        return []
    most = max(backends[number][1] for number in order)
    turns = [(number, backends[number][1], *_walk(backends[number][0], size)) for number in order]
    position = {number: offset for number, _, offset, _ in turns}
    saved = dict.fromkeys(order, 0)
    buckets = [-1] * size
    left = size
    while True:
        for number, weight, _, step in turns:
            saved[number] += weight
            if saved[number] < most:
                continue
            saved[number] -= most
            bucket = position[number]
            while buckets[bucket] >= 0:
                bucket = (bucket + step) % size
            buckets[bucket] = number
            position[number] = (bucket + step) % size
            left -= 1
            if not left:
                return buckets


def _walk(name: str, size: int) -> tuple[int, int]:
    """Where a backend begins, and how far it steps."""
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
    return first % size, second % (size - 1) + 1
