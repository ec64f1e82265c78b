"""What the ext_pillar answers from the store: a host's plan of its release, never an empty or a guessed one."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import URL, select

from tidegate.host.errors import TidegateError
from tidegate.policy.document import ROOT
from tidegate.release.assignments import Assignments
from tidegate.release.errors import Damaged, Missing, NoSuchHost, NotAssigned, StoreError
from tidegate.release.last_good import LastGood
from tidegate.release.location import location
from tidegate.release.operations import Operation
from tidegate.release.release import SHORT
from tidegate.release.schema import RolloutRow
from tidegate.release.served import served
from tidegate.release.store import Store

log = logging.getLogger(__name__)

OPERATIONS = "traffic_operations"
"""The pillar's other key: what people decided about this host, beside its plan."""

SLOW = 1.0
"""Seconds after which a failure is not waited for again at once: every minion would wait in turn."""
REST = 5.0
"""Seconds for which the store is then left alone."""

Answer = dict[str, Any]


@dataclass
class Source:
    """The store as this process knows it.

    Attributes:
        url: Where it is.
        kept: What hosts were served last.
    """

    url: URL
    kept: LastGood
    _store: Store | None = field(default=None, init=False)
    _rests: tuple[float, StoreError] | None = field(default=None, init=False)

    def pillar(self, host: str, now: datetime) -> Answer | None:
        """What a minion receives; ``None`` where nothing was rolled out yet, and the working tree answers.

        Args:
            host: The minion's id; it may come from anywhere, and is only ever looked up.
            now: Which operations are in effect.
        """
        try:
            return self._from_store(host, now)
        except Missing as error:
            return last_good(self.kept, host, error) if self.kept.any() else None
        except (StoreError, Damaged) as error:
            return last_good(self.kept, host, error)
        except TidegateError as error:
            log.error("tidegate: %s gets no plan: %s", host, error)
            return refused(str(error))

    def _from_store(self, host: str, now: datetime) -> Answer | None:
        if self._rests and time.monotonic() < self._rests[0]:
            raise self._rests[1]
        began = time.monotonic()
        try:
            self._store = self._store or Store(self.url)
            return self._look_up(self._store, host, now)
        except StoreError as error:
            ended = time.monotonic()
            self._rests = (ended + REST, error) if ended - began > SLOW else None
            raise

    def _look_up(self, store: Store, host: str, now: datetime) -> Answer | None:
        try:
            found = served(store, host, now)
        except (NotAssigned, NoSuchHost) as error:
            return self._without(store, host, error)
        answer: Answer = {ROOT: dict(found.plan.document)}
        if left_alone := _left_alone(found.operations):
            answer[OPERATIONS] = {"left_alone": left_alone}
        self.kept.keep(host, found.release, answer)
        return answer

    def _without(self, store: Store, host: str, error: TidegateError) -> Answer | None:
        """A host without an assignment. The working tree answers only if nobody has one, and never had."""
        if Assignments(store).any():
            self.kept.forget(host)
            return {} if isinstance(error, NoSuchHost) else refused(str(error))
        if _rolled_out(store):
            # Whatever was, was taken back.
            self.kept.forget(host)
        elif self.kept.any():
            reason = f"the store {store.name} knows of no rollout, but hosts were served from one: is it another store?"
            return last_good(self.kept, host, StoreError(reason))
        return None


def answer(minion_id: str, opts: Mapping[str, Any]) -> Answer | None:
    """What the ext_pillar returns for a minion; ``None`` where the working tree is to answer.

    Args:
        minion_id: As the minion calls itself.
        opts: The master's options.
    """
    folder = Path(opts["cachedir"]) / "tidegate" / "served"
    try:
        url = location(opts=opts)
    except StoreError as error:
        return last_good(LastGood(folder), minion_id, error)
    # A connection must not be shared with the process that this one was forked from.
    key = (os.getpid(), url, folder)
    if key not in _sources:
        _sources[key] = Source(url, LastGood(folder))
    return _sources[key].pillar(minion_id, datetime.now(timezone.utc))


_sources: dict[tuple[int, URL, Path], Source] = {}


def last_good(all_kept: LastGood, host: str, why: TidegateError) -> Answer:
    """What a host was served last, or a refusal; the log says why, and how old it is."""
    kept = all_kept.find(host)
    if kept is None:
        log.error("tidegate: %s gets no plan, and no last good one is kept: %s", host, why)
        return refused(f"the store cannot be read, and no last good plan is kept: {why}")
    release, age = kept.release[:SHORT], spelt(kept.age)
    log.warning("tidegate: %s gets its last good plan, of release %s, %s old: %s", host, release, age, why)
    return kept.pillar


def refused(reason: str) -> Answer:
    """What fails a highstate's traffic states and changes nothing."""
    return {ROOT: {"refused": reason}}


def spelt(seconds: float) -> str:
    """An age for people."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _rolled_out(store: Store) -> bool:
    with store.database.reading() as connection:
        return connection.execute(select(RolloutRow.number).limit(1)).first() is not None


def _left_alone(operations: Sequence[Operation]) -> dict[str, Any] | None:
    adopted = [operation for operation in operations if operation.kind == "adopt"]
    if not adopted:
        return None
    last = adopted[-1]
    until = last.until.isoformat(timespec="seconds") if last.until else None
    return {"who": last.who, "why": last.why, "until": until}
