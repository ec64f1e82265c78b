"""What the host remembers of a change: the one under way, and those that were undone.

``STATE/transaction.json`` is there from ``arm`` to ``confirm`` or ``revert``, and nowhere else.
``STATE/reverted.json`` says which generations are not tried again until somebody says so.
``STATE/left_alone.json`` is there after a highstate that left the host alone because an operation says so.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from tidegate.host import deadman, durable, lock
from tidegate.host.errors import Failed
from tidegate.host.generation import Generation
from tidegate.host.paths import paths

Kind = Literal["failed", "expired", "restarted", "asked", "overtaken"]
"""Why a change was undone: it could not be applied or was not healthy; nobody confirmed it in time; the host restarted;
somebody asked; another rollout came."""

_HOLDS_NOTHING_AGAINST_IT: frozenset[Kind] = frozenset(("overtaken",))


@dataclass(frozen=True)
class Transaction:
    """A change that is armed and not yet confirmed; ``armed_at`` in seconds since 1970, ``timeout`` in seconds.

    ``owner`` is the number of the rollout that asked for it and confirms it; ``None`` if no rollout did.
    """

    generation: str
    previous: str
    timeout: int
    armed_at: float
    boot: str
    applied: tuple[str, ...] = ()
    before: dict[str, Any] = field(default_factory=dict)
    owner: str | None = None

    def after(self, subsystem: str) -> Transaction:
        """The same change, one subsystem further."""
        return replace(self, applied=(*(name for name in self.applied if name != subsystem), subsystem))

    def is_live(self) -> bool:
        """Whether its dead-man can still fire: it was armed in this boot and the timer has not been lost."""
        return self.boot == boot_id() and deadman.is_armed()

    def remaining(self, now: float) -> int:
        """Seconds until the dead-man fires: at least 1, and never more than ``timeout`` however the clock jumps."""
        return min(self.timeout, max(1, int(self.armed_at + self.timeout - now)))


def read() -> Transaction | None:
    """The change under way, or ``None``."""
    document = durable.read_json(_transaction_path())
    if document is None:
        return None
    # The dead-man runs an older library than the one that wrote this: what that one adds must not stop it.
    known = {key: document[key] for key in _FIELDS if key in document}
    return Transaction(**{**known, "applied": tuple(document["applied"])})


def write(transaction: Transaction) -> None:
    """Remember the change under way."""
    durable.write_json(_transaction_path(), asdict(transaction))


def clear() -> None:
    """There is no change under way any more."""
    _transaction_path().unlink(missing_ok=True)
    durable.sync_directory(paths().state)


def reverted() -> dict[str, dict[str, Any]]:
    """Generations that were undone: id to plan, reason, kind, owner and time (seconds since 1970)."""
    return durable.read_json(_reverted_path()) or {}


def remember_reverted(generation: Generation, reason: str, kind: Kind = "failed", owner: str | None = None) -> None:
    """Do not try this generation again by itself, nor one of equal content made by another library."""
    entry = {
        "plan": generation.plan,
        "content": generation.content,
        "reason": reason,
        "kind": kind,
        "owner": owner,
        "at": time.time(),
    }
    durable.write_json(_reverted_path(), {**reverted(), generation.id: entry})


def forbidden() -> dict[str, dict[str, Any]]:
    """Those of `reverted` that are not tried again: a change that was only overtaken is free to come back."""
    return {key: entry for key, entry in reverted().items() if entry.get("kind") not in _HOLDS_NOTHING_AGAINST_IT}


def why_reverted(generation: Generation) -> dict[str, Any] | None:
    """The entry that forbids this generation, or ``None``."""
    entries = forbidden()
    same = (entry for entry in entries.values() if entry["content"] == generation.content)
    return entries.get(generation.id) or next(same, None)


def last_reverted(owner: str) -> tuple[str, dict[str, Any]] | None:
    """The generation that a rollout's last undone change was to bring, and its entry; ``None`` if none was undone."""
    own = [(key, entry) for key, entry in reverted().items() if entry.get("owner") == owner]
    return max(own, key=lambda each: float(each[1]["at"]), default=None)


def allow(generation: Generation) -> None:
    """Let this generation, and one of equal content, be tried again."""
    known = reverted()
    kept = {
        key: entry for key, entry in known.items() if key != generation.id and entry["content"] != generation.content
    }
    if kept != known:
        durable.write_json(_reverted_path(), kept)


def forget_reverted(name: str) -> list[str]:
    """Allow a generation again, named by 8 or more characters of its id or its plan's digest."""
    known = reverted()
    hits = [
        key
        for key, entry in known.items()
        if len(name) >= 8 and (key.startswith(name) or str(entry.get("plan")).startswith(name))
    ]
    contents = {known[key]["content"] for key in hits}
    kept = {key: entry for key, entry in known.items() if key not in hits and entry["content"] not in contents}
    durable.write_json(_reverted_path(), kept)
    return hits


def left_alone() -> dict[str, Any] | None:
    """The operation for which the last highstate left this host alone (who, why, until), or ``None``."""
    found = durable.read_json(_left_alone_path())
    return found if isinstance(found, dict) else None


def remember_left_alone(operation: Mapping[str, Any] | None) -> None:
    """What a highstate found: left alone for this operation, or not."""
    path = _left_alone_path()
    if operation is not None:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        durable.write_json(path, dict(operation))
    else:
        path.unlink(missing_ok=True)


def boot_id() -> str:
    """Identifies this boot of the machine, or of the container: a transaction of another one is over."""
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    # A container shares the kernel's boot id: its init's start time tells its boots apart (proc(5), field 22).
    started = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    return f"{kernel}-{started}"


@contextlib.contextmanager
def locked(patience: float, insist: bool = False) -> Iterator[None]:
    """Hold the host's lock; wait up to ``patience`` seconds for it.

    With ``insist`` go on without it after that: the dead-man must not be stopped by a process that hangs.

    Raises:
        Failed: somebody else holds it and ``insist`` is false.
    """
    with (paths().state / "lock").open("w") as file:
        if not lock.taken(file, patience) and not insist:
            raise Failed(f"another Tidegate process on this host has held the lock for {patience:.0f} s; try again")
        yield


def _transaction_path() -> Path:
    return paths().state / "transaction.json"


def _reverted_path() -> Path:
    return paths().state / "reverted.json"


def _left_alone_path() -> Path:
    return paths().state / "left_alone.json"


_FIELDS = tuple(each.name for each in fields(Transaction))
