"""The pillar that the lab's master serves: a copy, so that a demo or a test edits a policy and not the repository."""

from __future__ import annotations

import shutil
from pathlib import Path


def publish(source: Path, state: Path) -> Path:
    """Copy a pillar directory and switch the master to it, at once and whole.

    Args:
        source: a directory with ``top.sls``.
        state: the lab's own directory, which its master sees.

    Returns:
        The copy that the master now reads.

    Raises:
        NotADirectoryError: ``source`` is none.
    """
    if not source.is_dir():
        raise NotADirectoryError(f"{source} is no pillar directory")
    link = state / "pillar"
    old = link.resolve() if link.is_symlink() else None
    number = int(old.name.rpartition(".")[2]) + 1 if old else 1
    copy = state.resolve() / f"pillar.{number}"
    shutil.copytree(source, copy)
    new = state / "pillar.new"
    new.unlink(missing_ok=True)
    new.symlink_to(copy.name)
    new.replace(link)
    for stale in state.glob("pillar.[0-9]*"):
        if stale not in (copy, old):  # the master may be reading the old one at this moment
            shutil.rmtree(stale, ignore_errors=True)
    return copy
