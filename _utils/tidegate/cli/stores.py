"""The store that a command works with. SQLAlchemy is imported when one is opened, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.release.store import Store


def opened(told: str | None, *, create: bool = False) -> Store:
    """The store that ``--store``, the environment or the master's configuration names.

    Raises:
        StoreError: It cannot be used, or is not there.
    """
    from tidegate.release.location import location
    from tidegate.release.store import Store

    return Store(location(told), create=create)


def if_any(told: str | None) -> Store | None:
    """The same, or ``None`` where there is none yet."""
    from tidegate.release.errors import Missing

    try:
        return opened(told)
    except Missing:
        return None
