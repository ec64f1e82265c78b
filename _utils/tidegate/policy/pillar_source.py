"""Plans for the master's ext_pillar: of releases, or of the working tree as long as nothing was rolled out.

The working tree is compiled, and read again when a policy file changes. A policy that breaks never takes a plan away:
the last good one stays, in this process and, for a restart, on disk.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from tidegate.host.plan import Plan
from tidegate.policy.document import ROOT
from tidegate.policy.load import OPTIONS, Loaded, examine, load
from tidegate.policy.model import Policy
from tidegate.policy.plans import compile_host
from tidegate.release.pillar import answer as released

log = logging.getLogger(__name__)

Signature = tuple[tuple[str, int, int, int], ...]
"""Path, time of change (ns), size and inode of every file under ``traffic/``."""


@dataclass
class Source:
    """The policy of one pillar directory, as this process knows it.

    Attributes:
        pillar_dir: Where ``traffic/`` is.
        cachedir: Where the last good policy is kept.
        opts: The master's options, for its renderers.
    """

    pillar_dir: Path
    cachedir: Path
    opts: Mapping[str, Any]
    _seen: Signature | None = field(default=None, init=False)
    _policy: Policy | None = field(default=None, init=False)
    _plans: dict[str, Plan] = field(default_factory=dict, init=False)

    @property
    def last_good(self) -> Path:
        """The file that holds the merged document of the last good policy."""
        return self.cachedir / "tidegate" / "last-good-policy.json"

    def pillar(self, minion_id: str) -> dict[str, Any]:
        """What a minion receives: its plan under ``traffic``, or nothing if the fleet does not list it.

        The id comes from the network and is only ever looked up. With no good policy at all, nobody can tell who is
        listed: everyone receives a refusal, which fails a highstate's traffic states and changes nothing.
        """
        self._refresh()
        if self._policy is None:
            reason = "the policy has errors, and no earlier good one is known; the master's log lists them"
            return {ROOT: {"refused": reason}}
        if minion_id not in self._policy.fleet.hosts:
            return {}
        if minion_id not in self._plans:
            self._plans[minion_id] = compile_host(self._policy, minion_id)
        return {ROOT: dict(self._plans[minion_id].document)}

    def _refresh(self) -> None:
        try:
            now = signature(self.pillar_dir / ROOT)
        except OSError as error:
            log.error("tidegate: the policy cannot be read, the last good one stays: %s", error)
            self._fall_back()
            return
        if now == self._seen:
            return
        loaded = load(self.pillar_dir, self.opts)
        self._seen = now
        if loaded.policy is None:
            _complain(loaded)
            self._fall_back()
            return
        self._use(loaded.policy)
        self._keep(loaded.document)

    def _use(self, policy: Policy) -> None:
        self._policy, self._plans = policy, {}

    def _fall_back(self) -> None:
        """Without a policy in this process, the last good one on disk, if there is one that still fits the schema."""
        if self._policy is not None:
            return
        try:
            document = json.loads(self.last_good.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log.error("tidegate: the last good policy in %s cannot be read: %s", self.last_good, error)
            return
        loaded = examine(document) if isinstance(document, dict) else Loaded(None, [], {})
        if loaded.policy is None:
            log.error("tidegate: the last good policy in %s does not fit this version", self.last_good)
            _complain(loaded)
            return
        log.warning("tidegate: plans come from the last good policy, in %s", self.last_good)
        self._use(loaded.policy)

    def _keep(self, document: Mapping[str, Any]) -> None:
        """Store the document: whole or not at all, and for the master's user alone."""
        try:
            self.last_good.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=self.last_good.parent, delete=False, encoding="utf-8") as file:
                json.dump(document, file, ensure_ascii=False, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(self.last_good)
        except OSError as error:
            log.error("tidegate: the last good policy cannot be kept in %s: %s", self.last_good, error)


def signature(folder: Path) -> Signature:
    """What tells one state of a folder's files from another, without reading them.

    Raises:
        OSError: The folder is not there or cannot be listed: not the same as empty.
    """
    found: list[tuple[str, int, int, int]] = []
    for directory, _, files in os.walk(folder, onerror=_raise, followlinks=True):
        for name in files:
            path = Path(directory, name)
            state = path.stat()
            found.append((str(path), state.st_mtime_ns, state.st_size, state.st_ino))
    return tuple(sorted(found))


def _raise(error: OSError) -> None:
    raise error


def _complain(loaded: Loaded) -> None:
    count = len(loaded.problems)
    log.error("tidegate: the policy has %d error%s, the last good one stays:", count, "" if count == 1 else "s")
    for problem in loaded.problems:
        log.error("tidegate: %s", problem)


_sources: dict[tuple[Path, Path], Source] = {}


def pillar(minion_id: str, pillar_dir: str | None, opts: Mapping[str, Any]) -> dict[str, Any]:
    """What the ext_pillar returns for a minion.

    Args:
        minion_id: As the minion calls itself.
        pillar_dir: Where ``traffic/`` is; without, the first of the base environment's pillar roots that has it.
        opts: The master's options.
    """
    if (answer := released(minion_id, opts)) is not None:
        return answer
    directory = Path(pillar_dir) if pillar_dir else default_directory(opts)
    key = (directory, Path(opts["cachedir"]))
    if key not in _sources:
        _sources[key] = Source(*key, {name: opts[name] for name in OPTIONS if name in opts})
    return _sources[key].pillar(minion_id)


def default_directory(opts: Mapping[str, Any]) -> Path:
    """The first pillar root of the base environment that holds a ``traffic`` folder; the first of all if none does."""
    roots = [Path(root) for root in opts.get("pillar_roots", {}).get("base", [])] or [Path("/srv/pillar")]
    return next((root for root in roots if (root / ROOT).is_dir()), roots[0])
