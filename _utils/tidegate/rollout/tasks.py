"""Work that takes its time, done beside the engine's loop: what comes out of it is handed back to the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Done:
    """What came out of a piece of work: a result, or an error."""

    result: Any = None
    error: Exception | None = None


class Tasks:
    """Pieces of work, each under a key; one at a time under each. The loop alone calls these methods."""

    def __init__(self, *, threads: bool = True) -> None:
        """Begin with none; without ``threads`` each piece is done at once, for tests that say what happens when."""
        self._threads = threads
        self._running: dict[Hashable, object] = {}
        self._wanted: set[object] = set()
        self._done: dict[object, Done] = {}

    @property
    def busy(self) -> bool:
        """Whether something is under way or waits to be taken."""
        return bool(self._running)

    def start(self, key: Hashable, call: Callable[[], Any]) -> None:
        """Begin, unless the same is under way."""
        if key in self._running:
            return
        work = self._running[key] = object()
        self._wanted.add(work)
        if self._threads:
            # Daemons: an engine that is told to end does not wait for a gate.
            threading.Thread(target=self._run, args=(work, call), name=f"tidegate-{key}", daemon=True).start()
        else:
            self._run(work, call)

    def running(self, key: Hashable) -> bool:
        """Whether this is under way, or is done and was not taken."""
        return key in self._running

    def take(self, key: Hashable) -> Done | None:
        """What came out of it, once; ``None`` if it is not done."""
        done = self._done.pop(self._running.get(key), None)
        if done is not None:
            self._wanted.discard(self._running.pop(key))
        return done

    def drop(self, key: Hashable) -> None:
        """Whatever comes out of it does not matter any more; the same may be begun anew."""
        work = self._running.pop(key, None)
        self._wanted.discard(work)
        self._done.pop(work, None)

    def _run(self, work: object, call: Callable[[], Any]) -> None:
        try:
            done = Done(call())
        except Exception as error:
            done = Done(error=error)
        # What was dropped is nobody's.
        if work in self._wanted:
            self._done[work] = done
