"""One list of conditions for many looks: the data path asks 64 at once, and customers ask much alike. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Condition = TypeVar("Condition")


def merged(looks: Sequence[Sequence[Condition]]) -> tuple[list[Condition], list[list[int]]]:
    """The conditions of several looks in one list, in which each look's own stand in its order.

    Equal conditions of different looks share a place where the order allows; where two looks ask the same in another
    order, a condition stands there twice.

    Returns:
        The list, and for each look the places of its conditions.
    """
    found: list[Condition] = []
    places: list[list[int]] = []
    known: dict[tuple[Condition, ...], list[int]] = {}
    for look in looks:
        if tuple(look) not in known:
            known[tuple(look)] = _placed(found, look)
        places.append(known[tuple(look)])
    return found, places


def _placed(found: list[Condition], look: Sequence[Condition]) -> list[int]:
    places: list[int] = []
    for condition in look:
        first = places[-1] + 1 if places else 0
        place = next((place for place in range(first, len(found)) if found[place] == condition), len(found))
        if place == len(found):
            found.append(condition)
        places.append(place)
    return places
