"""The engine under a Salt master: everything that a `Driver` needs, from the master's configuration."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.host.errors import TidegateError
from tidegate.release.location import location
from tidegate.release.store import Store
from tidegate.rollout import gates
from tidegate.rollout.course import Course
from tidegate.rollout.driver import Driver
from tidegate.rollout.event import Event
from tidegate.rollout.metrics import Publisher
from tidegate.rollout.notify import Notifier
from tidegate.rollout.salt_fleet import SaltFleet
from tidegate.rollout.trouble import Trouble

log = logging.getLogger(__name__)

AGAIN = 5.0
"""Seconds until a store is opened again that could not be."""


class Engine:
    """A `Driver` over a master's fleet, and who is told of what it does."""

    def __init__(self, opts: Mapping[str, Any], store: Store) -> None:
        """Put it together.

        Raises:
            Refused: The master keeps no returns.
        """
        section = opts.get("tidegate")
        self._settings: Mapping[str, Any] = section if isinstance(section, Mapping) else {}
        self.fleet = SaltFleet(opts)
        self._notifier = Notifier(self.fleet, self._part("webhooks"))
        self.driver = Driver(store, self.fleet, gates.judge, holder=holder(opts), told=self._told, options=opts)
        self._publisher = Publisher(self.driver, self._part("metrics"))

    def run(self, interval: float) -> None:
        """Drive until it is told to end."""
        self.driver.run(interval, self._publisher.write)
        self.fleet.close()

    def _told(self, course: Course, events: Sequence[Event]) -> None:
        brief = course.state.brief
        self._notifier.tell(course.number, brief.release, brief.notify, events)

    def _part(self, name: str) -> Mapping[str, Any]:
        found = self._settings.get(name)
        return found if isinstance(found, Mapping) else {}


def start(opts: Mapping[str, Any], interval: float = 1.0, store: str | None = None) -> None:
    """Run until the process is told to end; a store that is not there yet is waited for.

    Args:
        opts: The master's options.
        interval: Seconds between two steps while nothing happens.
        store: The store's URL or path; where the master's configuration says unless stated.
    """
    engine = Engine(opts, _opened(opts, store))
    if threading.current_thread() is threading.main_thread():
        # The lease is given up: another engine need not wait until it ends.
        signal.signal(signal.SIGTERM, lambda *_: engine.driver.end())
    engine.run(float(interval))


def holder(opts: Mapping[str, Any]) -> str:
    """A master's name for its engine: after a restart it is the same, and need not wait for its own lease to end."""
    return f"{opts.get('id') or 'master'}@{socket.gethostname()}"


def _opened(opts: Mapping[str, Any], told: str | None) -> Store:
    trouble = Trouble(log)
    while True:
        try:
            store = Store(location(told, opts), create=True)
        except TidegateError as error:
            trouble.at("store", error)
            time.sleep(AGAIN)
        else:
            trouble.over("store")
            return store
