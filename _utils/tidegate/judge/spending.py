"""How the chance of an error is spread over ticks, so that looking at every one of them costs nothing more."""

from __future__ import annotations

import numpy as np

from tidegate.judge.metric import Array

RESERVE = 0.05
"""Share kept for a soak that is extended; each further soak's length gets half of what is left."""
AT_END, AT_LATER_ENDS = 0.5, 0.3
"""Shares for the planned end of the soak, and for the ends of its extensions together."""


def evenly(planned: int, ticks: int) -> Array:
    """(ticks,) weights that sum to at most 1 over however many ticks: even over the planned ones, falling after."""
    tick = np.arange(ticks)
    extension = tick // planned
    return np.where(extension == 0, 1 - RESERVE, RESERVE * 0.5 ** np.maximum(extension, 1)) / planned


def towards_the_end(planned: int, ticks: int) -> Array:
    """(ticks,) weights as of `evenly`, but most of it where a release is usually promoted.

    Half is for the planned end of the soak; an extension by whole soaks finds something left at the end of each.
    """
    weights = (1 - AT_END - AT_LATER_ENDS) * evenly(planned, ticks)
    ends = np.arange(planned - 1, ticks, planned)
    weights[ends[:1]] += AT_END
    weights[ends[1:]] += AT_LATER_ENDS * 0.5 ** np.arange(1, len(ends[1:]) + 1)
    return weights
