"""What a generation wants of BIRD: ``bird.json`` and ``bird.conf`` as values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.checker import rules
from tidegate.checker.rules import Rules
from tidegate.host.errors import Refused


@dataclass(frozen=True)
class PlannedSession:
    """One session and what is to be announced over it."""

    name: str
    protocol: str
    family: str
    address: str
    local: str
    device: str | None
    asn: int
    role: str
    accept: str
    announces: list[str]
    passes: bool = False
    """Whether it is told of learned routes too, which no plan can list."""
    tables: list[str] = field(default_factory=list)
    """BIRD's tables of its routes; empty: the main one of its address's family."""


@dataclass(frozen=True)
class Desired:
    """One generation's BIRD. ``routes`` maps each service prefix to its service's name; ``rules`` are those of the
    services that have checks."""

    marker: str
    table: int
    routes: dict[str, str]
    sessions: list[PlannedSession]
    conf: str
    rules: Rules = field(default_factory=dict)


def read(generation: Path) -> Desired:
    """Read a generation's directory.

    Raises:
        Refused: its files are missing or damaged; nothing is guessed.
    """
    try:
        document = json.loads((generation / "bird.json").read_bytes())
        document["sessions"] = [PlannedSession(**session) for session in document["sessions"]]
        text = (generation / "bird.conf").read_text(encoding="utf-8")
        return Desired(**document, conf=text, rules=rules.read(generation))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{generation} does not hold a whole BIRD configuration: {error}") from None
