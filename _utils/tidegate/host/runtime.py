"""The dead-man's own copy of the library: nothing that a change, a sync or a Salt upgrade touches.

The copy is content-addressed under ``STATE/runtimes/DIGEST`` and is run as a directory by the system's Python:
``python3 -E -s -B STATE/runtimes/DIGEST boot``.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import tidegate
from tidegate.host import durable
from tidegate.host.paths import paths

PYTHON = "/usr/bin/python3"
_LEFT_OUT = {"policy", "cli", "minion", "release", "rollout", "judge", "__pycache__"}
_MAIN = "from tidegate.host.restore import main\n\nraise SystemExit(main())\n"


def command(runtime: Path, verb: str) -> list[str]:
    """The command line that runs ``verb`` (``boot`` or ``deadman``) from a runtime; no environment is trusted."""
    return [PYTHON, "-E", "-s", "-B", str(runtime), verb]


def install() -> str:
    """Copy the library that is running now, unless it is there already; return its digest (16 hex)."""
    name = digest()
    target = paths().state / "runtimes" / name
    if not target.is_dir():
        _copy(_package(), target)
    return name


def digest() -> str:
    """The digest of the library that is running now, 16 hex digits."""
    package = _package()
    whole = hashlib.sha256(_MAIN.encode())
    for source in _sources(package):
        whole.update(f"{source}\0".encode())
        whole.update((package / source).read_bytes())
    return whole.hexdigest()[:16]


def _package() -> Path:
    return Path(tidegate.__file__).parent


def _sources(package: Path) -> list[Path]:
    return sorted(
        path.relative_to(package)
        for path in package.rglob("*.py")
        if not _LEFT_OUT & set(path.relative_to(package).parts)
    )


def _copy(package: Path, target: Path) -> None:
    aside = target.with_name(f".{target.name}")
    shutil.rmtree(aside, ignore_errors=True)
    for source in _sources(package):
        copied = aside / "tidegate" / source
        copied.parent.mkdir(parents=True, exist_ok=True)
        durable.write(copied, (package / source).read_bytes())
    durable.write(aside / "__main__.py", _MAIN.encode())
    aside.rename(target)
    durable.sync_directory(target.parent)
