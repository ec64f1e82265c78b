"""Which generation the checker looks after, and which runtime it runs: two links that whoever applies one moves.

``STATE/checked``   the generation that BIRD was made to run last; it follows ``running``, at the instant of its routes
``STATE/checker``   the runtime of that generation, as its manifest names it
"""

from __future__ import annotations

import os
from pathlib import Path

from tidegate.host import durable
from tidegate.host.paths import paths

CHECKED, CHECKER = "checked", "checker"


def generation() -> Path | None:
    """The directory of the generation, or ``None`` before there is one."""
    return _target(CHECKED)


def runtime() -> Path | None:
    """The directory of the runtime, or ``None`` before there is one."""
    return _target(CHECKER)


def point(directory: Path) -> None:
    """Look after this generation from now on."""
    state = paths().state
    state.mkdir(mode=0o755, parents=True, exist_ok=True)
    _move(CHECKED, directory)
    name = (durable.read_json(directory / "manifest.json") or {}).get("runtime")
    if name is not None:
        _move(CHECKER, state / "runtimes" / name)


def remove() -> None:
    """Look after nothing."""
    for name in (CHECKED, CHECKER):
        (paths().state / name).unlink(missing_ok=True)


def _move(name: str, target: Path) -> None:
    if _target(name) != target.resolve():
        durable.point(paths().state / name, os.path.relpath(target.resolve(), paths().state.resolve()))


def _target(name: str) -> Path | None:
    link = paths().state / name
    return link.resolve() if link.is_symlink() else None
