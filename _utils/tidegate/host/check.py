"""One health check's outcome. Unknown is never ok."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "bad", "unknown"]


@dataclass(frozen=True)
class Check:
    """What was looked at, how it stands, the figure that says so, and why in words.

    ``name`` is dotted, subsystem first: ``bird.session.lhr1-transit``, ``tc.eth1.class.web``.
    """

    name: str
    status: Status
    reason: str
    figure: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The check as plain data, for a job return or ``--json``."""
        return asdict(self)


def worst(checks: list[Check]) -> Status:
    """The status of them all: bad before unknown before ok. No checks at all is unknown."""
    if not checks:
        return "unknown"
    for status in ("bad", "unknown"):
        if any(check.status == status for check in checks):
            return status
    return "ok"
