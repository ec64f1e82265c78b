"""Changed copies of the policy, and what was changed in them."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.demo.stage import PILLAR, DemoError
from lab.fleet import REPO, Fleet

Edits = Mapping[str, tuple[str, str]]
"""File below the pillar folder to (text, what stands there instead)."""


def edited(name: str, edits: Edits, base: Path = PILLAR) -> tuple[str, list[str]]:
    """Make a changed copy of a policy, in ``.cache/demo``, where the person can look at it afterwards.

    Args:
        name: what the copy is called; an old one of that name is replaced.
        edits: one change for each file, wherever the text stands in it.
        base: what is copied; the example unless stated.

    Returns:
        The copy's path from the repository, and the changed lines with ``-`` and ``+`` before them.

    Raises:
        DemoError: the policy has no such text.
    """
    target = REPO / ".cache" / "demo" / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(base, target)
    lines: list[str] = []
    for file, (old, new) in edits.items():
        path = target / file
        before = path.read_text()
        if old not in before:
            raise DemoError(f"pillar/{file} holds {old!r}", "it does not", "git diff pillar")
        after = before.replace(old, new)
        path.write_text(after)
        lines += _changed(before, after)
    return str(target.relative_to(REPO)), lines


def overridden(fleet: Fleet, path: str, old: str, new: str) -> list[str]:
    """Put a changed copy of a file of ``salt/`` before the repository's, as a site does; the changed lines.

    Raises:
        DemoError: the file has no such text.
    """
    before = (REPO / "salt" / path).read_text()
    if old not in before:
        raise DemoError(f"salt/{path} holds {old!r}", "it does not", "git diff salt")
    after = before.replace(old, new)
    fleet.override(path, after)
    return _changed(before, after)


def _changed(before: str, after: str) -> list[str]:
    """Lines that differ, with ``-`` and ``+`` before them and without their comments."""
    changed = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [
        f"{line[0]} {line[1:].partition('  #')[0].strip()}" for line in changed if line[:3] not in ("---", "+++", "@@ ")
    ]
