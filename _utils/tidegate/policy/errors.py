"""What is wrong with a policy, as data: the terminal, ``--json`` and the master's log all print these."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic_core import PydanticCustomError

KeyPath = tuple[str | int, ...]
"""Where in the merged policy: ``("routing", "neighbors", "lhr1-transit", "asn")``, without the leading ``traffic``."""

NOTHING = object()
"""No value to show: ``None`` is one."""

LONGEST_VALUE = 80


@dataclass(frozen=True)
class Problem:
    """One error: what is wrong, where, with which value, what was expected, and what to do.

    ``message`` says what is wrong in a few words; ``expected`` completes "expected …"; ``hint`` is a sentence.
    ``file`` is relative to the pillar directory; ``line`` counts from 1 and is absent where a template made the line.
    """

    message: str
    path: KeyPath = ()
    value: Any = field(default=NOTHING, compare=False)
    expected: str = ""
    hint: str = ""
    file: str | None = None
    line: int | None = None

    @property
    def where(self) -> str:
        """The path as people write it: ``traffic.fleet.hosts[edge1.lhr1].pop``."""
        return spell(self.path)

    @property
    def place(self) -> str:
        """``file:line`` as far as it is known, for editors to jump to."""
        if self.file is None:
            return ""
        return f"{self.file}:{self.line}" if self.line else self.file

    def as_dict(self) -> dict[str, Any]:
        """The problem as plain data."""
        return {
            "file": self.file,
            "line": self.line,
            "path": self.where,
            "message": self.message,
            "value": None if self.value is NOTHING else json.loads(json.dumps(self.value, default=str)),
            "expected": self.expected,
            "hint": self.hint,
        }

    def __str__(self) -> str:
        """The problem in one line, for a log."""
        text = f"{self.place}: " if self.place else ""
        text += f"{self.where}: {self.message}"
        if self.value is not NOTHING:
            text += f" ({show(self.value)})"
        if self.expected:
            text += f"; expected {self.expected}"
        return f"{text}. {self.hint}" if self.hint else text


class Broken(Exception):
    """A policy that cannot be used, with every problem found in it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def spell(path: KeyPath) -> str:
    """A path as people write it; keys that hold a dot stand in brackets, so that it stays unambiguous."""
    text = "traffic"
    for part in path:
        text += f"[{part}]" if isinstance(part, int) or "." in part else f".{part}"
    return text


def show(value: Any) -> str:
    """A value as it would stand in YAML's flow style, cut where it gets long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def closest(word: object, known: Iterable[str]) -> str | None:
    """The known word that is spelt most like this one, if any is close."""
    return next(iter(get_close_matches(str(word), sorted(set(known)), n=1, cutoff=0.6)), None)


def suggest(word: object, known: Iterable[str]) -> str:
    """``Did you mean 'neighbors'?`` if one known word is close, else the known words if they are few, else nothing."""
    names = sorted(set(known))
    if close := closest(word, names):
        return f"Did you mean '{close}'?"
    if 0 < len(names) <= 12:
        return f"Known: {', '.join(names)}."
    return ""


def unlike(expected: str, hint: str = "") -> PydanticCustomError:
    """What a field's validator raises: completes "expected …"; the path and the value come from pydantic."""
    return PydanticCustomError("unlike", "expected {expected}", {"expected": expected, "hint": hint})
