"""One thread for each check: it looks, says what it saw, and waits for its next turn."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass

from tidegate.checker.looks import look
from tidegate.checker.rules import CheckRule

_SLACK = 5.0


@dataclass(frozen=True)
class Seen:
    """What one look saw, and how long it took in seconds."""

    looker: Looker
    good: bool
    reason: str
    seconds: float


class Looker(threading.Thread):
    """Looks every ``interval`` seconds, whatever a look takes, and never twice at a time."""

    def __init__(self, service: str, rule: CheckRule, results: queue.SimpleQueue[Seen]) -> None:
        super().__init__(name=f"{service}/{rule.name}", daemon=True)
        self.service = service
        self.rule = rule
        self.key = (service, rule.name)
        self._results = results
        self._over = threading.Event()
        self._last = time.monotonic()

    def run(self) -> None:
        """Look until told to end."""
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            begun = time.monotonic()
            good, reason = look(self.rule)
            self._last = time.monotonic()
            self._results.put(Seen(self, good, reason, self._last - begun))
            due = max(due + self.rule.interval, self._last)

    def end(self) -> None:
        """No look begins after this; what one under way sees is of no interest any more."""
        self._over.set()

    def is_stuck(self) -> bool:
        """Whether it has said nothing for longer than a look and a wait can take: then the checker is broken."""
        return time.monotonic() - self._last > self.rule.interval + self.rule.timeout + _SLACK
