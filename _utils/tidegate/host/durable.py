"""Files that are there whole or not at all, whatever dies meanwhile."""

from __future__ import annotations

import grp
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write(path: Path, content: bytes, mode: int = 0o644, group: int | None = None) -> None:
    """Replace ``path`` in one step: written aside with its final mode and owner, synced, renamed."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            if group is not None:
                os.fchown(file.fileno(), 0, group)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_secret(path: Path, content: bytes) -> None:
    """``write`` for what holds secrets: readable by root and by BIRD alone (by root alone where there is no BIRD)."""
    try:
        group = grp.getgrnam("bird").gr_gid
    except KeyError:
        group = 0
    write(path, content, 0o640, group)


def write_json(path: Path, document: Any, mode: int = 0o644) -> None:
    """``write`` for a JSON document, laid out for reading."""
    write(path, (json.dumps(document, indent=2, sort_keys=True) + "\n").encode(), mode)


def read_json(path: Path) -> Any:
    """The document in ``path``, or ``None`` if there is no such file. Raises ``ValueError`` for a damaged one."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def point(link: Path, target: str) -> None:
    """Make ``link`` a symbolic link to ``target`` (relative to the link's folder) in one step."""
    aside = link.with_name(f".{link.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    aside.symlink_to(target)
    aside.replace(link)
    sync_directory(link.parent)


def sync_directory(directory: Path) -> None:
    """Make renames in a directory survive a power loss (a rename alone is not durable: ``fsync(2)``, NOTES)."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
