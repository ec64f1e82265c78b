"""Steps that a person can follow: what is being done, how far, and for how long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Progress:
    """Prints ``[2/6] Cables … 3 s``; on a terminal the seconds run, elsewhere a long step says so every 15 s."""

    def __init__(self, total: int, stream: TextIO = sys.stderr) -> None:
        self.total = total
        self.number = 0
        self.stream = stream
        self._note = ""

    def note(self, text: str) -> None:
        """Say how far the current step is."""
        self._note = text

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show one step for as long as the block runs; a failure is named and passed on."""
        self.number += 1
        self._note = ""
        head = f"[{self.number}/{self.total}] {title} …"
        started = time.monotonic()
        over = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(head, started, over), daemon=True)
        self._write(head)
        ticker.start()
        outcome = "failed after "
        try:
            yield
            outcome = ""
        finally:
            over.set()
            ticker.join()
            self._write(f"{self._restart(head)} {outcome}{time.monotonic() - started:.1f} s\n")

    def _tick(self, head: str, started: float, over: threading.Event) -> None:
        terminal = self.stream.isatty()
        while not over.wait(1 if terminal else 15):
            elapsed = f" {time.monotonic() - started:.0f} s"
            if terminal:
                self._write(f"{self._restart(head)}{elapsed} {self._note}"[:120])
            else:
                self._write(f"{elapsed}{', ' + self._note if self._note else ''} …")

    def _restart(self, head: str) -> str:
        return f"\r\033[K{head}" if self.stream.isatty() else ""

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
