"""Which plan a host may run when it has a release: that release's, or that with a drain that came or went meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from tidegate.release.errors import NoSuchRelease
from tidegate.release.served import expected
from tidegate.release.store import Store


class Accepted:
    """The digests of a release's plans, with and without the drains that were seen."""

    def __init__(self, store: Store, release: str) -> None:
        self._store, self._release = store, release
        self._plain: dict[str, str] | None = None
        self._now: dict[str, str] = {}
        self._drained: dict[str, set[str]] = {}

    @property
    def drained(self) -> bool:
        """Whether drains have been seen."""
        return bool(self._drained)

    def see(self, hosts: Collection[str], moment: datetime, drains: bool) -> None:
        """Work out what these hosts are served now.

        Args:
            hosts: Which.
            moment: When.
            drains: Whether any drain is in effect; without one the release says it all.

        Raises:
            StoreError: The store cannot be used.
        """
        self._now = {}
        if drains:
            self._now = expected(self._store, self._release, hosts, moment)
            for host, digest in self._now.items():
                self._drained.setdefault(host, set()).add(digest)

    def of(self, host: str, runs: object = None) -> str:
        """The digest that a host should run; ``runs`` itself, if it is one that it may run. Empty without a plan."""
        plain = self.plain().get(host, "")
        if isinstance(runs, str) and runs and (runs == plain or runs in self._drained.get(host, ())):
            return runs
        return self._now.get(host, plain)

    def plain(self) -> dict[str, str]:
        """Host → digest of its plan in the release, without operations. A release never changes: read once."""
        if self._plain is None:
            release = self._store.known(self._release)
            if release is None:
                raise NoSuchRelease(f"The store has no release {self._release[:12]} any more.")
            self._plain = self._store.digests(release)
        return self._plain
