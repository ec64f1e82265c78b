"""An order of names that no other name disturbs: by digest, so that a new host moves nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256


@lru_cache(maxsize=1 << 16)
def rank(name: str) -> bytes:
    """What names are ordered by. It depends on the name alone, is the same everywhere, and knows no favourites."""
    return sha256(name.encode()).digest()


def spread(units: Iterable[str], done: Iterable[str], around: Mapping[str, str]) -> list[str]:
    """Units in an order of which every beginning is shared fairly among what is around them.

    Half of the order is half of every PoP, not all of some PoPs. Each PoP's own units stay in the order of `rank`,
    so a new one pushes at most one of its neighbours over a border between waves.

    Args:
        units: What is to be ordered, such as hosts.
        done: Units that earlier waves had: they come first in their surroundings, and are not in the result.
        around: Unit → what it is a part of, such as a host's PoP; holds every unit of the whole.
    """
    size: dict[str, int] = {}
    for group in around.values():
        size[group] = size.get(group, 0) + 1
    position: dict[str, int] = {}
    for unit in done:
        position[around[unit]] = position.get(around[unit], 0) + 1
    places: list[tuple[float, bytes, str]] = []
    for unit in sorted(units, key=rank):
        group = around[unit]
        before = position.get(group, 0)
        position[group] = before + 1
        places.append(((before + 0.5) / size[group], rank(unit), unit))
    return [unit for _, _, unit in sorted(places)]
