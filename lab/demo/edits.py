"""Changed copies of the policy, and what was changed in them."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Mapping

from lab.demo.stage import PILLAR, DemoError
from lab.fleet import REPO

Edits = Mapping[str, tuple[str, str]]
"""File below the pillar folder to (text, what stands there instead)."""


def edited(name: str, edits: Edits) -> tuple[str, list[str]]:
    """Make a changed copy of the example policy, in ``.cache/demo``, where the person can look at it afterwards.

    Args:
        name: what the copy is called; an old one of that name is replaced.
        edits: one change for each file.

    Returns:
        The copy's path from the repository, and the changed lines with ``-`` and ``+`` before them.

    Raises:
        DemoError: the policy has no such text.
    """
    target = REPO / ".cache" / "demo" / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(PILLAR, target)
    lines: list[str] = []
    for file, (old, new) in edits.items():
        path = target / file
        before = path.read_text()
        if old not in before:
            raise DemoError(f"pillar/{file} holds {old!r}", "it does not", "git diff pillar")
        after = before.replace(old, new, 1)
        path.write_text(after)
        changed = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
        lines += [
            f"{line[0]} {line[1:].partition('  #')[0].strip()}"
            for line in changed
            if line[:3] not in ("---", "+++", "@@ ")
        ]
    return str(target.relative_to(REPO)), lines
