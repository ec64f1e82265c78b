"""How much a release may do at once. Beyond it somebody has to say why, by a waiver."""

from datetime import timedelta

WITHDRAWN = 0.10
"""Share of all (PoP, prefix) pairs that one release may withdraw. One pair is always allowed."""

WITHDRAWN_LATELY = 0.20
"""Share of all (PoP, prefix) pairs that the releases of a day may withdraw together. Two pairs are always allowed."""

LATELY = timedelta(hours=24)
"""How far back releases are counted together: several small withdrawals are one large one to the network."""

ANNOUNCED = 0.50
"""Share of all (PoP, prefix) pairs that one release may add to them."""

ANNOUNCED_FREELY = 10
"""That many new pairs are always allowed: few enough for a reviewer to look at each."""

SHRUNK = 0.20
"""Share of its PoPs that a service may lose by one release. One PoP is always allowed, unless it is the last."""

POOL_SHRUNK = 0.50
"""Share of the weight of a balanced service's pool that one release may take from a balancer."""

RESTARTED_IN_POP = 0.50
"""Share of a PoP's sessions that one release may restart. A single session may always: it cannot be halved."""

RESTARTED_OF_SERVICE = 0.25
"""Share of the sessions that carry a service, in the whole fleet, that one release may restart."""

PLAN_BYTES = 1 << 20
"""Size of one host's plan. Plans travel in pillar; a large set belongs into a file."""

PREFIXES = 20_000
"""Prefixes in one condition of one rule or class; the data path is tested with five times as many."""

GROWTH = 2.0
"""How many times the prefixes that a host filters or shapes by may grow by one release."""

GROWTH_FREELY = 100
"""Below so many prefixes, growth is not looked at."""

SET_GROWTH = 10.0
"""From how many times its size by one release a set by itself is refused, whatever else its host has."""

SET_GROWTH_FREELY = 20
"""Up to so many entries, a set's growth is not looked at: somebody wrote them, and somebody reads them."""


def most(share: float, whole: int, at_least: int) -> int:
    """How many of a whole are within a budget."""
    return max(int(share * whole), at_least)
