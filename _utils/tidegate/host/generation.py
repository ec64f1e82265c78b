"""Generations: one directory per set of files that a plan installs, and the links that say which is which.

``STATE/generations/ID/``  everything one plan installs on this host; never changed once it is there
``STATE/running``          the generation that was applied last
``STATE/confirmed``        the generation to go back to: proven by health and a round trip to the master
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.host import durable
from tidegate.host.errors import Refused
from tidegate.host.paths import paths

INITIAL = "initial"
"""The host as it was before Tidegate came: nothing of ours, and BIRD's own file."""
KEPT = 5
_SECRET_FILES = {"bird.conf"}


@dataclass(frozen=True)
class Generation:
    """One directory of ``STATE/generations`` and what its manifest says."""

    id: str
    directory: Path
    plan: str | None
    runtime: str | None
    content: str | None
    """Covers the files alone: two generations of equal content do the same to the host, whatever library made them."""

    @property
    def is_initial(self) -> bool:
        """Whether this stands for the host as it was before Tidegate."""
        return self.id == INITIAL

    def has(self, artefact: str) -> bool:
        """Whether the plan spoke of the subsystem that ``artefact`` belongs to."""
        return (self.directory / artefact).is_file()


def load(name: str) -> Generation:
    """The generation ``name``; raises ``Refused`` if it is not there whole."""
    directory = paths().generations / name
    manifest = durable.read_json(directory / "manifest.json")
    if not isinstance(manifest, dict) or manifest.get("id") != name:
        raise Refused(f"generation {name} is not in {paths().generations}, or its manifest.json is damaged")
    return Generation(name, directory, manifest.get("plan"), manifest.get("runtime"), manifest.get("content"))


def linked(link: str) -> Generation | None:
    """The generation that ``confirmed`` or ``running`` points at, or ``None`` before there is one."""
    path = paths().state / link
    return load(path.readlink().name) if path.is_symlink() else None


def point(link: str, generation: Generation) -> None:
    """Move ``confirmed`` or ``running`` in one step."""
    durable.point(paths().state / link, f"generations/{generation.id}")


def ensure_state() -> None:
    """Make the state directory, and ``initial`` with BIRD's present file, on a host that has none yet."""
    state = paths().state
    for directory in (state, paths().generations, state / "runtimes"):
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    if linked("confirmed") is not None:
        return
    if not (paths().generations / INITIAL / "manifest.json").is_file():
        _write(INITIAL, _initial_files(), {"plan": None, "runtime": None, "content": None})
    point("confirmed", load(INITIAL))


def create(files: Mapping[str, bytes], plan: str, runtime: str) -> Generation:
    """Write a generation, or find it: equal files are the same generation.

    ``bird.conf`` holds passwords, so the id covers it through the keyed marker in ``bird.json``, never through a
    plain digest that could be guessed against.
    """
    described = describe(files, plan, runtime, paths().generations)
    if not described.directory.is_dir():
        _write(described.id, files, {"plan": plan, "runtime": runtime, "content": described.content})
    return load(described.id)


def describe(files: Mapping[str, bytes], plan: str, runtime: str, parent: Path) -> Generation:
    """The generation that these files would be, without writing anything. Ids are 16 hex digits."""
    whole = hashlib.sha256()
    for name in sorted(set(files) - _SECRET_FILES):
        whole.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\0".encode())
    content = whole.hexdigest()[:16]
    own = hashlib.sha256(f"{plan}\0{runtime}\0{content}".encode()).hexdigest()[:16]
    return Generation(own, parent / own, plan, runtime, content)


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write a generation's files; those with secrets in them are for root and BIRD alone."""
    for name, content in files.items():
        write = durable.write_secret if name in _SECRET_FILES else durable.write
        write(directory / name, content)


def prune() -> None:
    """Remove generations beyond the newest ``KEPT``, and runtimes that none is left to need."""
    in_use = {each.id for each in (linked("confirmed"), linked("running")) if each} | {INITIAL}
    for path in [path for path in _newest_first() if path.name not in in_use][KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
    needed = {load(path.name).runtime for path in _newest_first()}
    for path in (paths().state / "runtimes").iterdir():
        if path.name not in needed:
            shutil.rmtree(path, ignore_errors=True)


def listed() -> list[dict[str, Any]]:
    """Every generation kept on this host, newest first: id, plan, and when it was made (seconds since 1970)."""
    return [{"id": p.name, "plan": load(p.name).plan, "created": int(p.stat().st_mtime)} for p in _newest_first()]


def _newest_first() -> list[Path]:
    whole = [path for path in paths().generations.iterdir() if not path.name.startswith(".")]
    return sorted(whole, key=lambda path: path.stat().st_mtime, reverse=True)


def _initial_files() -> dict[str, bytes]:
    conf = paths().bird_conf
    return {"bird.conf": conf.read_bytes()} if conf.is_file() else {}


def _write(name: str, files: Mapping[str, bytes], manifest: Mapping[str, str | None]) -> None:
    target = paths().generations / name
    aside = target.with_name(f".{name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o755)
    write_files(aside, files)
    durable.write_json(aside / "manifest.json", {"id": name, **manifest})
    aside.rename(target)
    durable.sync_directory(target.parent)
