"""What goes wrong again and again, said when it begins, now and then while it lasts, and when it is over."""

from __future__ import annotations

import logging
import time

EVERY = 60.0
"""Seconds between two lines about the same trouble."""


class Trouble:
    """Troubles by name."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._since: dict[str, float] = {}
        self._said: dict[str, tuple[float, str]] = {}

    def at(self, name: str, error: Exception, *, unexpected: bool = False) -> None:
        """Something went wrong; with a traceback if nobody expects it."""
        now, text = time.monotonic(), str(error)
        self._since.setdefault(name, now)
        said_at, said = self._said.get(name, (now - EVERY, ""))
        if now - said_at >= EVERY or said != text:
            self._said[name] = now, text
            self._log.error("%s: %s; it is tried again", name, text, exc_info=error if unexpected else None)

    def over(self, name: str) -> None:
        """It went well."""
        since = self._since.pop(name, None)
        if since is not None:
            self._said.pop(name, None)
            self._log.warning("%s: well again after %.0f s", name, time.monotonic() - since)
