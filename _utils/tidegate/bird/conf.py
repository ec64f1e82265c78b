"""A BIRD configuration as a file: shown without its secrets, an error pointed at, installed atomically."""

from __future__ import annotations

import difflib
import re
from collections.abc import Set
from pathlib import Path

from tidegate.host import durable

HIDDEN = '"<hidden>"'
HIDDEN_NEW = '"<hidden, new>"'
# A quote that is still open ends with its line: BIRD's strings do, and a broken file must not show a secret either.
_SECRET = re.compile(r"""\b(password|key|secret)(\s+)("[^"\n]*"?|'[^'\n]*'?)""", re.IGNORECASE)
_MARKER = re.compile(r'^define TIDEGATE_MARKER = "([0-9a-f]{16})";$', re.MULTILINE)
# 2.x: "bird: FILE:LINE:COLUMN text"; 3.x: "bird: DATE TIME [THREAD] <FATAL> FILE:LINE:COLUMN text"; socket: no head.
_ERROR = re.compile(r"(?:^|\s)(?P<file>/?[^\s:]+):(?P<line>\d+):(?P<column>\d+):? (?P<text>.*)")


def marker(text: str) -> str | None:
    """The marker that a configuration defines; none: it is not Tidegate's."""
    match = _MARKER.search(text)
    return match[1] if match else None


def without_secrets(text: str, known: Set[str] | None = None) -> str:
    """The text with every password and key hidden; one that is not in ``known`` is shown to be new."""

    def hide(match: re.Match[str]) -> str:
        new = known is not None and match[3] not in known
        return f"{match[1]}{match[2]}{HIDDEN_NEW if new else HIDDEN}"

    return _SECRET.sub(hide, text)


def difference(old: str, new: str) -> list[str]:
    """A unified diff of two configurations, without their secrets and without Tidegate's marker."""
    known = {match[3] for match in _SECRET.finditer(old)}
    before, after = (_MARKER.sub("", text).splitlines() for text in (without_secrets(old), without_secrets(new, known)))
    return list(difflib.unified_diff(before, after, "running", "planned", lineterm="", n=2))


def explain(output: str, text: str) -> str:
    """BIRD's complaint about a configuration, as people want it.

    Args:
        output: What ``bird -p`` printed, or the message of an error 8002.
        text: The configuration it complains about.

    Returns:
        The complaint, and under it the line at fault between its neighbors with a caret at the column. No secrets.
    """
    complaints = [line for line in output.splitlines() if line.strip() and "<WARN>" not in line]
    located = [match for line in complaints if (match := _ERROR.search(line))]
    if not located:
        return _scrubbed(" ".join(complaints[-3:]) or "no reason given", text)
    # A parse stops at its first error; what precedes it are warnings.
    fault = located[-1]
    line, column = int(fault["line"]), int(fault["column"])
    return f"line {line}: {_scrubbed(fault['text'], text)}\n{_excerpt(text.splitlines(), line, column)}"


def install(path: Path, text: str) -> None:
    """Put a configuration in place, whole or not at all, readable by root and by BIRD alone."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    durable.write_secret(path, text.encode("utf-8", "surrogateescape"))


def _excerpt(lines: list[str], at: int, column: int) -> str:
    shown = []
    for number in range(max(at - 1, 1), min(at + 1, len(lines)) + 1):
        line = lines[number - 1]
        shown.append(f"{number:5} | {without_secrets(line)}")
        if number == at:
            # Hiding a secret moves what follows it, so the caret is put behind the hidden form of what precedes it.
            before = without_secrets(line[: max(column - 1, 0)])
            shown.append(f"      | {re.sub(r'[^	]', ' ', before)}^")
    return "\n".join(shown)


def _scrubbed(message: str, text: str) -> str:
    """A message without any secret that the text holds, wherever it may have come to stand."""
    for match in _SECRET.finditer(text):
        secret = match[3].strip("\"'")
        if secret:
            message = message.replace(secret, HIDDEN)
    return message
