"""What a generation says about its services' health: ``health.json`` as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegate.host.errors import Refused

FILE = "health.json"


@dataclass(frozen=True)
class CheckRule:
    """One check; times in seconds. The fields are those of ``bird.section.ServiceCheck``."""

    name: str
    kind: str
    target: Any
    interval: float
    timeout: float
    rise: int
    fall: int
    expected: Mapping[str, Any] = field(default_factory=dict)

    @property
    def looks_at(self) -> tuple[Any, ...]:
        """What a look depends on; how many looks it takes is not part of it."""
        return self.kind, self.target, self.expected, self.timeout


@dataclass(frozen=True)
class ServiceRule:
    """One service: its checks, and what happens when. ``hold`` in seconds."""

    checks: tuple[CheckRule, ...]
    hold: float
    on_all_down: str
    on_checker_loss: str


Rules = dict[str, ServiceRule]
"""By service; one that is not in it has no checks."""


def read(generation: Path) -> Rules:
    """The rules of a generation's directory; empty if none of its services has checks.

    Raises:
        Refused: the file is damaged; nothing is guessed.
    """
    try:
        return _rules(json.loads((generation / FILE).read_bytes()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{generation / FILE} is damaged: {error}") from None


def _rules(document: Mapping[str, Any]) -> Rules:
    return {name: _service(entry) for name, entry in document["services"].items()}


def _service(entry: Mapping[str, Any]) -> ServiceRule:
    checks = tuple(CheckRule(**check) for check in entry["checks"])
    return ServiceRule(checks, float(entry["hold"]), entry["on_all_down"], entry["on_checker_loss"])
