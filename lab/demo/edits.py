"""Changed copies of the policy, and what was changed in them."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.demo.stage import PILLAR, DemoError

Edits = Mapping[str, tuple[str, str]]
"""File below the pillar folder to (text, what stands there instead)."""


def edited(target: Path, edits: Edits) -> list[str]:
    """Copy the example policy and change it.

    Args:
        target: the copy, which must not exist.
        edits: one change for each file.

    Returns:
        The changed lines, with ``-`` and ``+`` before them.

    Raises:
        DemoError: the policy has no such text.
    """
    shutil.copytree(PILLAR, target)
    lines: list[str] = []
    for name, (old, new) in edits.items():
        path = target / name
        before = path.read_text()
        if old not in before:
            raise DemoError(f"pillar/{name} holds {old!r}", "it does not", "git diff pillar")
        after = before.replace(old, new, 1)
        path.write_text(after)
        changed = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
        lines += [line[:1] + line[1:].strip() for line in changed if line[:3] not in ("---", "+++", "@@ ")]
    return lines
