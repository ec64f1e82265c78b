"""Files of ``filtering.sets``: prefixes of either family, one a line; ``#`` begins a comment.

Whatever is not understood is an error, with its line: a set that lost half of its entries on the way would drop or
allow the wrong half. Repeated and overlapping prefixes mean nothing and are no error.
"""

from __future__ import annotations

import re
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any

from tidegate.bpf.memory import mebibytes, of_prefixes
from tidegate.policy.errors import Problem

FILE = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*"
MOST_PREFIXES = 1_000_000
LARGEST = 512 << 20
"""Bytes of a file that is read at all: ten times what a set may hold."""
_SHOWN = 5


class Prefixes(list[str]):
    """Prefixes that have been checked, canonical, sorted, each once: the schema need not look at each again."""


def load(document: dict[str, Any], folder: Path) -> list[Problem]:
    """Put what the sets' files hold into a policy's document, so that it means the same wherever it is read again.

    Args:
        document: The merged policy; sets that name a file get their prefixes beside the name.
        folder: The policy's folder.

    Returns:
        What is wrong with the files; sets of unreadable ones get a prefix that stands in.
    """
    filtering = document.get("filtering")
    sets = filtering.get("sets") if isinstance(filtering, dict) else None
    problems: list[Problem] = []
    for name, entry in (sets if isinstance(sets, dict) else {}).items():
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
            continue
        path = ("filtering", "sets", str(name), "file")
        if "prefixes" in entry:
            problems.append(Problem("the set has prefixes of its own too", path, entry["file"], "one or the other"))
            continue
        try:
            entry["prefixes"] = _read(folder, entry["file"])
        except ValueError as error:
            problems.append(Problem(str(error), path, entry["file"], "a whole file of prefixes, one a line"))
            # Stands in, so that the rest can be looked at; the policy is refused for the problem above.
            entry["prefixes"] = Prefixes(["192.0.2.0/24"])
    return problems


def _read(folder: Path, name: str) -> Prefixes:
    if not re.fullmatch(FILE, name):
        raise ValueError("this is not a file below the policy's folder")
    path = folder / name
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"the file is larger than {LARGEST >> 20} MiB")
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text") from None


def parse(text: str) -> Prefixes:
    """The prefixes in a file's text.

    Raises:
        ValueError: The text is cut off or empty, has more prefixes than a set may hold (with the memory they would
            take), or has lines that are no prefix: the first few are named.
    """
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end: the file is cut off")
    if (lines := text.count("\n")) > 2 * MOST_PREFIXES:  # each of them read would take minutes
        raise ValueError(_too_many(lines))
    found: set[str] = set()
    wrong: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not (entry := line.partition("#")[0].strip()):
            continue
        prefix = _canonical(entry)
        if prefix.startswith("!"):
            wrong.append(f"line {number}: {entry[:60]!r} {prefix[1:]}")
        found.add(prefix)
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ValueError("; ".join(wrong[:_SHOWN]) + more)
    if len(found) > MOST_PREFIXES:
        raise ValueError(_too_many(len(found)))
    if not found:
        raise ValueError("the file holds no prefix; an empty set would match nothing")
    return Prefixes(sorted(found))


def _too_many(count: int) -> str:
    return (
        f"{count:,} prefixes would take up to {mebibytes(2 * of_prefixes(count))} of every host's kernel memory during "
        f"a change; a set may hold {MOST_PREFIXES:,}"
    )


def _canonical(text: str) -> str:
    """A prefix or address as it is spelt everywhere; ``!`` and why not, if it is none."""
    address, slash, digits = text.partition("/")
    family, bits = (AF_INET6, 128) if ":" in address else (AF_INET, 32)
    try:
        packed = inet_pton(family, address)
    except (OSError, ValueError):
        return "!is not a prefix"
    if slash and not (digits.isascii() and digits.isdigit() and int(digits) <= bits):
        return "!has no prefix length that its family knows"
    length = int(digits) if slash else bits
    if int.from_bytes(packed, "big") & (1 << bits - length) - 1:
        return "!has host bits set"
    return f"{inet_ntop(family, packed)}/{length}"
