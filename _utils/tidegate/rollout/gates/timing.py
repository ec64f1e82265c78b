"""When a wave changed, as other machines' clocks may know it: figures of hosts are asked for by this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Moments in Unix seconds, lengths in seconds. From the journal: the same in every round, whoever drives.

    Attributes:
        began: When the first host of the wave was sent the release.
        settled: When the last one had it, or was given up.
        now: The moment of this round.
        soak: How long the wave's gates must be seen to pass.
        promoted: The wave is promoted: who it could be compared with is getting the release.
    """

    began: float
    settled: float
    now: float
    soak: float
    promoted: bool = False
