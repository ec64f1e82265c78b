"""What people do to running hosts beside releases: each with who, why and until when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, get_args

from sqlalchemy import Row, bindparam, func, insert, or_, select, update

from tidegate.host.errors import Refused, TidegateError
from tidegate.host.plan import LABELS, canonical
from tidegate.policy.errors import suggest
from tidegate.release import weights
from tidegate.release.schema import OperationRow
from tidegate.release.store import Store

Kind = Literal["drain", "pause", "hold", "adopt", "weight"]
"""``drain``: traffic is led away. ``pause``: no rollout moves the hosts. ``hold``: no rollout takes them along.
``adopt``: a host that was changed by hand is left alone. ``weight``: a backend gets more or less by hand."""

IN_PLANS: frozenset[Kind] = frozenset(("drain", "weight"))
"""Those that change what hosts are served."""

How = Literal["withdraw", "prepend", "graceful"]
"""How traffic is led away: by withdrawing, by a longer AS path, or by the community of RFC 8326."""

PLACES = ("host", "pop", "region")
"""What of a host a target may name."""

TARGETS: Mapping[str, frozenset[str]] = {
    "drain": frozenset((*PLACES, "service", "neighbor")),
    "pause": frozenset(PLACES),
    "hold": frozenset(PLACES),
    "adopt": frozenset(("host",)),
    "weight": frozenset(("host", "service")),
}
"""What a target of each kind may name. Where it names several things, all of them must fit."""

MOST_GRACEFUL = 86_400
"""Seconds for which a drain may be graceful before it withdraws: longer ones are two drains."""

MOST_PREPENDED = 10
"""Longer AS paths are filtered by others."""


class NoSuchOperation(TidegateError):
    """No operation has this number."""


@dataclass(frozen=True)
class Operation:
    """Something that somebody did.

    Attributes:
        id: Its number.
        kind: What it is.
        target: What it is done to: label → value, as in ``{"pop": "lhr1"}``.
        settings: Of a drain: ``how``, for ``prepend`` how many ``times``, and for ``withdraw`` maybe for how many
            seconds it is graceful first (``gracefully``); of an adoption: the ``drift`` that was found; of a weight:
            the ``weight``, a number or ``drain``.
        who: The person who did it.
        why: The reason that person gave.
        created_at: In UTC.
        until: When it ends by itself; ``None`` for when somebody ends it.
        ended_at: When somebody ended it.
        ended_by: Who did.
        ended_why: Why.
    """

    id: int
    kind: Kind
    target: Mapping[str, str]
    settings: Mapping[str, Any]
    who: str
    why: str
    created_at: datetime
    until: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_why: str | None = None

    def active(self, now: datetime) -> bool:
        """Whether it is in effect."""
        return self.ended_at is None and (self.until is None or self.until > now)

    def as_dict(self) -> dict[str, Any]:
        """The operation as plain data."""
        return {
            "id": self.id,
            "kind": self.kind,
            "target": dict(self.target),
            "settings": dict(self.settings),
            "who": self.who,
            "why": self.why,
            "created_at": _text(self.created_at),
            "until": _text(self.until),
            "ended_at": _text(self.ended_at),
            "ended_by": self.ended_by,
            "ended_why": self.ended_why,
        }


class Operations:
    """The operations of a store."""

    def __init__(self, store: Store) -> None:
        self._database = store.database

    def add(
        self,
        kind: Kind,
        target: Mapping[str, str],
        settings: Mapping[str, Any],
        *,
        who: str,
        why: str,
        until: datetime | None = None,
    ) -> Operation:
        """Begin an operation.

        Raises:
            Refused: It makes no sense; the sentence says what is wrong.
        """
        now = datetime.now(timezone.utc).replace(microsecond=0)
        if reason := wrong(kind, target, settings) or _wrong_words(why, until, now):
            raise Refused(reason)
        with self._database.writing() as connection:
            id_ = (connection.execute(select(func.max(OperationRow.id))).scalar() or 0) + 1
            operation = Operation(id_, kind, dict(target), dict(settings), who, why, now, until)
            row = {
                "id": id_,
                "kind": kind,
                "target": canonical(operation.target),
                "settings": canonical(operation.settings),
                "who": who,
                "why": why,
                "created_at": now,
                "until": until,
            }
            connection.execute(insert(OperationRow), [row])
            return operation

    def active(self, now: datetime) -> list[Operation]:
        """Those in effect, oldest first."""
        with self._database.reading() as connection:
            return [operation_of(row) for row in connection.execute(ACTIVE, {"now": now})]

    def all(self, most: int | None = None) -> list[Operation]:
        """Every one, ended or not, newest first; all of them without ``most``."""
        with self._database.reading() as connection:
            query = _OPERATIONS.order_by(OperationRow.id.desc()).limit(most)
            return [operation_of(row) for row in connection.execute(query)]

    def end(self, id_: int, who: str, why: str) -> Operation:
        """End one.

        Raises:
            NoSuchOperation: There is none.
            Refused: Somebody has ended it already.
        """
        now = datetime.now(timezone.utc).replace(microsecond=0)
        with self._database.writing() as connection:
            one = _OPERATIONS.where(OperationRow.id == id_)
            row = connection.execute(one).one_or_none()
            if row is None:
                raise NoSuchOperation(f"There is no operation {id_}: see 'tidegate operations'.")
            if row.ended_at is not None:
                raise Refused(f"Operation {id_} was ended by {row.ended_by} on {row.ended_at:%Y-%m-%d %H:%M} UTC.")
            ended = {"ended_at": now, "ended_by": who, "ended_why": why}
            connection.execute(update(OperationRow).where(OperationRow.id == id_).values(ended))
            return operation_of(connection.execute(one).one())


def applies_to(operation: Operation, labels: Mapping[str, str]) -> bool:
    """Whether an operation is about a host.

    Args:
        operation: One on a service, a neighbor or a backend may be about every host that has it; the plan says which
            do.
        labels: The host's, as its plan has them.
    """
    if operation.kind == "weight":
        return True
    return all(labels.get(label) == value for label, value in operation.target.items() if label in LABELS)


_OPERATIONS = select(OperationRow.__table__)


ACTIVE = _OPERATIONS.where(
    OperationRow.ended_at.is_(None),
    or_(OperationRow.until.is_(None), OperationRow.until > bindparam("now")),
).order_by(OperationRow.id)
"""The query for operations in effect, for transactions that read more; wants ``now``."""


def operation_of(row: Row[Any]) -> Operation:
    """An operation from its row."""
    values = dict(row._mapping)
    return Operation(**{**values, "target": json.loads(row.target), "settings": json.loads(row.settings)})


def wrong(kind: str, target: Mapping[str, str], settings: Mapping[str, Any]) -> str | None:
    """Why an operation makes no sense, or nothing."""
    if kind not in TARGETS:
        return f"There is no operation '{kind}'. {suggest(kind, TARGETS)}".rstrip()
    if not target or any(not value for value in target.values()):
        return f"A {kind} needs a target: {_either(TARGETS[kind])}; a missing one never means all."
    if unknown := sorted(target.keys() - TARGETS[kind]):
        return f"A {kind} cannot be of a {unknown[0]}: expected {_either(TARGETS[kind])}."
    if kind == "weight" and "host" not in target:
        return "A weight is of one backend: name its host."
    return _WRONG_SETTINGS[kind](settings) if kind in _WRONG_SETTINGS else None


def _wrong_drain(settings: Mapping[str, Any]) -> str | None:
    how, times = settings.get("how"), settings.get("times")
    if reason := _wrong_begin(how, settings.get("gracefully")):
        return reason
    if how not in get_args(How):
        return f"A drain is by {', '.join(get_args(How)[:-1])} or {get_args(How)[-1]}, not by '{how}'."
    if how != "prepend":
        return None if times is None else f"A drain by {how} has no number of times."
    if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= MOST_PREPENDED:
        return f"A drain by prepend says how many times: a number from 1 to {MOST_PREPENDED}, not {times!r}."
    return None


def _wrong_begin(how: Any, gracefully: Any) -> str | None:
    if gracefully is None:
        return None
    if how != "withdraw":
        return f"Only a drain by withdraw begins gracefully, not one by '{how}'."
    if not isinstance(gracefully, int) or isinstance(gracefully, bool) or not 1 <= gracefully <= MOST_GRACEFUL:
        return f"A drain begins gracefully for 1 to {MOST_GRACEFUL} seconds, not {gracefully!r}."
    return None


def _wrong_adoption(settings: Mapping[str, Any]) -> str | None:
    if settings.get("drift"):
        return None
    return "An adoption names the drift that it accepts, as 'tidegate drift' shows it."


_WRONG_SETTINGS = {"drain": _wrong_drain, "adopt": _wrong_adoption, "weight": weights.wrong}


def _wrong_words(why: str, until: datetime | None, now: datetime) -> str | None:
    if not why.strip():
        return "An operation needs a reason: others will ask why it is there."
    if until is not None and until <= now:
        return f"It would have ended already, on {_text(until)}."
    return None


def _either(names: frozenset[str]) -> str:
    found = sorted(names)
    return " or ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
