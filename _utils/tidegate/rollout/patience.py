"""How long hosts have to answer: a fixed time, and more for each, because a master takes in only so many returns."""

from __future__ import annotations

FIRST = 30.0
"""Seconds for a few hosts; one that has just lost its way home needs about so long to find it again."""
OF_EACH = 0.02
"""Seconds for each further host: a master on two cores takes in about a hundred returns a second."""


def patience(hosts: int) -> float:
    """Seconds in which so many hosts should have answered."""
    return FIRST + OF_EACH * hosts
