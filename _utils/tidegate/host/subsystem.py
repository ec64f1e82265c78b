"""The one shape of a subsystem: what the transaction asks of ``bird``, ``tc`` and ``xdp``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from tidegate.host.check import Check


class Live(Protocol):
    """What ``SUBSYSTEM/live.py`` offers; ``generation`` is a directory holding what ``render`` made.

    Every function may be called again after a crash in any of them: reading comes first, and only what differs
    is written. Implementations import the standard library and libbpf alone, because the dead-man and the
    restore at boot run this code with the system's Python.
    """

    def problems(self, generation: Path) -> list[str]:
        """Why this host cannot run the generation, one sentence each; touches nothing that carries traffic."""

    def diff(self, generation: Path) -> list[str]:
        """What ``apply`` would change, a readable line each; empty if the host runs exactly this."""

    def apply(self, generation: Path, timeout: int | None) -> None:
        """Make the host run the generation.

        With ``timeout`` (seconds) the subsystem also undoes it by its own means if ``confirm`` has not come by then,
        where it can: the second line behind the dead-man. ``None`` means at once and for good.

        Raises:
            Refused: nothing was changed.
            Failed: something may have been; read again.
        """

    def confirm(self, generation: Path) -> None:
        """Make permanent what ``apply`` did."""

    def remove(self) -> None:
        """Take away all that Tidegate installed, and nothing else."""


class Health(Protocol):
    """What ``SUBSYSTEM/health.py`` offers."""

    def baseline(self) -> dict[str, Any]:
        """What a later ``checks`` compares with, as plain data; taken just before a change."""

    def checks(self, generation: Path, before: dict[str, Any]) -> list[Check]:
        """Health of what runs, held against the generation and against ``before`` (``{}``: nothing is known)."""
