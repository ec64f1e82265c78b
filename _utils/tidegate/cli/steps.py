"""What a command is doing, on standard error: a spinner in a terminal, lines elsewhere, nothing if it is quick."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

QUICK = 2.0
"""Seconds after which somebody who waits for a pipe wants to know why."""


class Steps:
    """Called with each step as it begins."""

    def __init__(self, status: Status | None) -> None:
        self._status = status
        self._start = time.monotonic()

    def __call__(self, step: str) -> None:
        """Show what is being done from now on."""
        if self._status:
            self._status.update(f"{step} …")
        elif (elapsed := time.monotonic() - self._start) > QUICK:
            Console(stderr=True, highlight=False).print(f"{elapsed:5.0f} s  {step}", markup=False)


@contextmanager
def steps() -> Iterator[Steps]:
    """Show steps in the block; a terminal is left as it was."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Steps(None)
        return
    with console.status("") as status:
        yield Steps(status)
