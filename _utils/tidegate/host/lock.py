"""Waiting for a lock on a file, but not for ever."""

from __future__ import annotations

import fcntl
import time
from typing import IO, Any

_POLL = 0.02


def taken(file: IO[Any], seconds: float) -> bool:
    """Whether the exclusive lock on an open file could be had within so many seconds; it ends when the file is closed.

    Source: flock(2). It belongs to the open file: what dies lets go of it.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(_POLL)
        else:
            return True
