"""Python's cycle collector, paused while a large policy is read, or ten thousand plans are made or read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No collection in the block: policies and plans hold no cycles, and going through millions of their parts again
    and again to find none takes longer than reading them does (2.5 s of 3)."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        # What is there now counts as old without being gone through: or the first new object would set that off.
        gc.freeze()
        gc.unfreeze()
        gc.enable()
