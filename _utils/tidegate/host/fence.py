"""Which engine this host follows: the one with the highest fence that it has seen, remembered across restarts.

A fence is the epoch of the lease under which an engine acts; every new holder has a higher one. An engine that was
paused, has lost its lease and wakes up is refused here, whatever it believes of itself. ``STATE/fence`` has the number.
"""

from __future__ import annotations

from pathlib import Path

from tidegate.host import durable
from tidegate.host.errors import Refused
from tidegate.host.paths import paths


def admit(fence: int | None) -> None:
    """Follow who has this fence from now on; ``None`` is a person or a plain highstate, who need none.

    The caller holds the host's lock.

    Raises:
        Refused: a higher one has been here.
    """
    if fence is None:
        return
    seen = highest()
    if seen is not None and fence < seen:
        raise Refused(
            f"this host does not follow an engine that has lost its lease: its fence is {fence}, and {seen} has been "
            "here. If the store was made anew and no other engine runs: traffic.forget_fence"
        )
    if fence != seen:
        durable.write(_path(), f"{fence}\n".encode())


def highest() -> int | None:
    """The highest fence seen; ``None`` if no engine has been here.

    Raises:
        Refused: the file is damaged, so that nobody can say whom to follow.
    """
    try:
        return int(_path().read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        raise Refused(
            f"{_path()} is damaged: it does not hold a number. If only one engine runs: traffic.forget_fence"
        ) from None


def forget() -> None:
    """Follow the next engine that comes, whatever its fence: for a store that was made anew."""
    _path().unlink(missing_ok=True)


def _path() -> Path:
    return paths().state / "fence"
