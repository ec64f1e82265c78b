"""The master's event bus: it wakes who waits for returns, and carries what the engine tells. Nothing is read from it.

Events may be lost, late or doubled, and anybody may forge them. So they only say that it may be time to look.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from salt.utils.event import get_master_event

log = logging.getLogger(__name__)

MARK = "_tg"
"""What our job ids have between their time and the random part: it tells our returns from all others."""

COALESCE = 0.2
"""Seconds to wait after a return for those that come with it: one look for many."""

RETRY = 1.0
"""Seconds until the bus is looked for again once it was gone."""


class Bus:
    """Listens in a thread of its own from the first wait on, and comes back when the master's bus does."""

    def __init__(self, opts: Mapping[str, Any]) -> None:
        self._opts = dict(opts)
        self._stirred = threading.Condition()
        self._count = 0
        self._ended = threading.Event()
        self._listener: threading.Thread | None = None
        self._telling = threading.Lock()

    @property
    def count(self) -> int:
        """Returns seen so far: to be read before looking, and handed to `wait` after."""
        return self._count

    def wait(self, seen: int, seconds: float) -> int:
        """Wait until there are more returns than were seen, at most so long; the new count."""
        self._listen()
        until = time.monotonic() + seconds
        with self._stirred:
            stirred = self._stirred.wait_for(lambda: self._count != seen, max(seconds, 0))
        if stirred:
            self._ended.wait(max(min(COALESCE, until - time.monotonic()), 0))
        return self._count

    def tell(self, tag: str, data: Mapping[str, Any]) -> None:
        """Fire an event; a failure is logged and otherwise without effect."""
        try:
            with self._telling, get_master_event(self._opts, self._opts["sock_dir"], listen=False) as bus:
                bus.fire_event(dict(data), tag)
        except Exception as error:
            log.warning("The event %s could not be fired: %s", tag, error)

    def close(self) -> None:
        """Stop listening."""
        self._ended.set()

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = threading.Thread(target=self._run, name="tidegate-bus", daemon=True)
            self._listener.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with get_master_event(self._opts, self._opts["sock_dir"], listen=True, raise_errors=True) as bus:
                    self._hear(bus)
            except Exception as error:
                log.info("The master's event bus is gone, and looked for again: %s", error)
            self._ended.wait(RETRY)

    def _hear(self, bus: Any) -> None:
        while not self._ended.is_set():
            event = bus.get_event(wait=RETRY, tag="salt/job/", full=True)
            if event is not None and _ours(event["tag"]):
                with self._stirred:
                    self._count += 1
                    self._stirred.notify_all()
            elif event is None and not bus.connect_pub(timeout=RETRY):
                return


def _ours(tag: str) -> bool:
    """Whether a tag is ``salt/job/JID/ret/HOST`` with a job id of ours."""
    parts = tag.split("/", 4)
    return len(parts) == 5 and parts[3] == "ret" and MARK in parts[2]
