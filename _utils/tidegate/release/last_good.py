"""What each host was served last, kept beside the master's other caches for the day on which the store is away."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tidegate.host import durable
from tidegate.host.plan import canonical, reason_to_refuse
from tidegate.policy.document import ROOT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """What a host was served.

    Attributes:
        pillar: As it was handed out.
        release: Id of the release that it came from.
        age: Seconds since it was what the store said.
    """

    pillar: dict[str, Any]
    release: str
    age: float


@dataclass(frozen=True)
class LastGood:
    """A folder with one file a host. Several processes may use it at once: files are only ever replaced whole."""

    folder: Path

    def any(self) -> bool:
        """Whether anything was ever served."""
        try:
            return next(self.folder.iterdir(), None) is not None
        except OSError:
            return False

    def keep(self, host: str, release: str, pillar: Mapping[str, Any]) -> None:
        """Keep what a host is served now. Without effect but a new time if it is what was kept already.

        If it cannot be kept, what was is taken away: an older plan must not come back some day.
        """
        path, content = self._path(host), canonical({"host": host, "release": release, "pillar": pillar}).encode()
        try:
            if _content(path) == content:
                os.utime(path)
                return
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.write(path, content, 0o600)
        except OSError as error:
            log.error("tidegate: what %s is served cannot be kept in %s: %s", host, path, error)
            self.forget(host)

    def find(self, host: str) -> Kept | None:
        """What a host was served last; ``None`` if nothing is kept, or not whole."""
        path = self._path(host)
        try:
            document = json.loads(path.read_bytes())
            age = max(0.0, time.time() - path.stat().st_mtime)
            kept = Kept(document["pillar"], str(document["release"]), age)
            reason = reason_to_refuse(kept.pillar[ROOT], host)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.error("tidegate: what %s was served last cannot be read from %s: %s", host, path, error)
            return None
        if reason:
            log.error("tidegate: what is kept in %s is not what %s was served: %s", path, host, reason)
            return None
        return kept

    def forget(self, host: str) -> None:
        """Keep nothing for a host."""
        try:
            self._path(host).unlink(missing_ok=True)
        except OSError as error:
            log.error("tidegate: what %s was served last cannot be forgotten: %s", host, error)

    def _path(self, host: str) -> Path:
        """Its file; the id comes from the network and may be no file's name."""
        return self.folder / f"{sha256(host.encode()).hexdigest()}.json"


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
