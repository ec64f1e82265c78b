"""Time as the engine sees it: a clock that never jumps for what it waits for, the wall's for people and freezes."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Protocol

MOST_UNATTENDED = 10.0
"""Seconds between two steps that count at most. What is longer was a pause of the process or of its machine."""


class Clock(Protocol):
    """Where time comes from."""

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""

    def utc(self) -> datetime:
        """What the wall's clock says, whoever has set it."""


class SystemClock:
    """The clocks of this machine."""

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Now."""
        return datetime.now(timezone.utc)


class Attended:
    """Seconds during which the engine was there.

    Soaking and silence are counted in these. An engine that was stopped for an hour has watched nothing in that hour,
    and has heard nobody in it either.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.monotonic()
        self._sum = 0.0

    def tick(self) -> float:
        """Read it; to be called at every step."""
        now = self._clock.monotonic()
        self._sum += min(max(now - self._last, 0.0), MOST_UNATTENDED)
        self._last = now
        return self._sum

    @property
    def now(self) -> float:
        """What it said at the last tick."""
        return self._sum
