"""The store of releases: what is put in stays as it is, and is found again by its id, or by its id and a host."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from typing import Any

from sqlalchemy import URL, Connection, bindparam, func, insert, select
from sqlalchemy.orm import aliased

from tidegate.host.plan import Plan, canonical
from tidegate.policy.collector import paused
from tidegate.release.database import Database
from tidegate.release.errors import NoSuchHost, NoSuchRelease, Overtaken
from tidegate.release.integrity import intact_plan
from tidegate.release.release import SHORT, Draft, Release, Waiver
from tidegate.release.schema import PlanRow, ReleasePlanRow, ReleaseRow, WaiverRow

BATCH = 1000
"""Rows in one statement; SQLite allows 32,766 parameters, PostgreSQL 65,535."""


class Store:
    """Releases and their plans in a database. Several processes may use it at once."""

    def __init__(self, url: URL, *, create: bool = False) -> None:
        """Open it; see `Database` for what is raised."""
        self._database = Database(url, create=create)

    @property
    def name(self) -> str:
        """Its URL, without a password."""
        return self._database.name

    @property
    def database(self) -> Database:
        """For what else is kept beside the releases: assignments, operations, rollouts."""
        return self._database

    def close(self) -> None:
        """Let go of every connection."""
        self._database.close()

    def newest(self) -> Release | None:
        """The release created last."""
        return next(iter(self.releases(1)), None)

    def releases(self, most: int | None = None) -> list[Release]:
        """The releases, newest first; all of them without ``most``."""
        with self._database.reading() as connection:
            query = _RELEASES.order_by(ReleaseRow.number.desc()).limit(most)
            return [_release(connection, row) for row in connection.execute(query)]

    def newest_before(self, moment: datetime) -> Release | None:
        """The release created last before a moment, or else the first of all."""
        old = _RELEASES.where(ReleaseRow.created_at < moment).order_by(ReleaseRow.number.desc()).limit(1)
        with self._database.reading() as connection:
            for query in (old, _RELEASES.order_by(ReleaseRow.number).limit(1)):
                if row := connection.execute(query).one_or_none():
                    return _release(connection, row)
        return None

    def known(self, id_: str) -> Release | None:
        """The release with this id, if there is one."""
        with self._database.reading() as connection:
            row = connection.execute(_RELEASES.where(ReleaseRow.id == id_)).one_or_none()
            return _release(connection, row) if row else None

    def find(self, prefix: str) -> Release:
        """The release whose id begins like this.

        Raises:
            NoSuchRelease: None does, or several do.
        """
        with self._database.reading() as connection:
            rows = connection.execute(_beginning(prefix)).all()
            if len(rows) == 1:
                return _release(connection, rows[0])
        if not rows:
            raise NoSuchRelease(f"The store {self.name} has no release '{prefix}': see 'tidegate release list'.")
        names = ", ".join(row.id[: max(SHORT, len(prefix) + 4)] for row in rows)
        raise NoSuchRelease(f"More than one release begins with '{prefix}': {names}.")

    def plan(self, release: str, host: str) -> Plan:
        """The plan that a release has for a host, found by one indexed query and held against its digest.

        Args:
            release: The whole id.
            host: The minion's id; it may come from anywhere, and is only ever looked up.

        Raises:
            NoSuchHost: The release has no plan for it.
            Damaged: It is not what was stored.
        """
        with self._database.reading() as connection:
            row = connection.execute(_PLAN, {"id": release, "host": host}).one_or_none()
        if row is None:
            raise NoSuchHost(f"Release {release[:SHORT]} has no plan for '{host}'.")
        return intact_plan(row.document, row.digest, host)

    def digests(self, release: Release) -> dict[str, str]:
        """Host → digest of its plan, in the order of the hosts' names."""
        with self._database.reading() as connection:
            query = select(ReleasePlanRow.host, ReleasePlanRow.plan).where(ReleasePlanRow.release == release.number)
            return dict(sorted((host, digest) for host, digest in connection.execute(query)))

    def plans(self, release: Release, known: Iterable[Plan] = ()) -> dict[str, Plan]:
        """Host → plan, in the order of the hosts' names, as stored: `verification` is what proves them.

        Args:
            release: Whose plans.
            known: Plans at hand; those that the release has too are not read again.
        """
        at_hand = {plan.digest: plan for plan in known}
        digests = self.digests(release)
        wanted = [digest for digest in digests.values() if digest not in at_hand]
        with paused():
            read = {digest: Plan(json.loads(text)) for digest, text in self.documents(wanted)}
        return {host: at_hand.get(digest) or read[digest] for host, digest in digests.items()}

    def documents(self, digests: Iterable[str]) -> Iterator[tuple[str, str]]:
        """The stored text of plans, with their digests, in any order."""
        with self._database.reading() as connection:
            for batch in batches(digests):
                query = select(PlanRow.digest, PlanRow.document).where(PlanRow.digest.in_(batch))
                yield from ((digest, document) for digest, document in connection.execute(query))

    def policy(self, release: Release) -> str:
        """The stored text of a release's policy."""
        with self._database.reading() as connection:
            return connection.execute(select(ReleaseRow.policy).where(ReleaseRow.id == release.id)).scalar_one()

    def add(
        self,
        draft: Draft,
        *,
        who: str,
        note: str = "",
        against: Release | None = None,
        waivers: Sequence[Waiver] = (),
        newest: Release | None = None,
    ) -> tuple[Release, bool]:
        """Store a release, all of it or nothing.

        Args:
            draft: What to store.
            who: The person who creates it.
            note: What that person says about it.
            against: The release that the rules compared it with.
            waivers: The rules it is allowed to break.
            newest: The newest release when they did.

        Returns:
            The release, and whether it is new: one that is there already stays as it is.

        Raises:
            Overtaken: Another release has become the newest.
        """
        with self._database.writing() as connection:
            known = connection.execute(_RELEASES.where(ReleaseRow.id == draft.id)).one_or_none()
            if known is not None:
                return _release(connection, known), False
            number = connection.execute(select(func.max(ReleaseRow.number))).scalar()
            if number != (newest.number if newest else None):
                raise Overtaken("Another release was created meanwhile: compare with that one.")
            number = (number or 0) + 1
            row = {
                "number": number,
                "id": draft.id,
                "created_at": datetime.now(timezone.utc).replace(microsecond=0),
                "who": who,
                "note": note,
                "against": against.number if against else None,
                "policy_digest": draft.policy_digest,
                "policy": draft.policy,
            }
            connection.execute(insert(ReleaseRow), [row])
            _insert_plans(connection, number, draft.plans)
            if waivers:
                connection.execute(insert(WaiverRow), [_waiver_row(number, waiver) for waiver in waivers])
            return _release(connection, connection.execute(_RELEASES.where(ReleaseRow.id == draft.id)).one()), True


_Against = aliased(ReleaseRow)
_RELEASES = select(
    ReleaseRow.id,
    ReleaseRow.number,
    ReleaseRow.created_at,
    ReleaseRow.who,
    ReleaseRow.note,
    _Against.id.label("against"),
    ReleaseRow.policy_digest,
).outerjoin(_Against, _Against.number == ReleaseRow.against)


def _beginning(prefix: str) -> Any:
    if not re.fullmatch("[0-9a-f]{1,64}", prefix):
        raise NoSuchRelease(f"'{prefix}' is no release's id: expected hex digits, as 'tidegate release list' shows.")
    return _RELEASES.where(ReleaseRow.id.startswith(prefix)).order_by(ReleaseRow.number.desc())


_PLAN = (
    select(PlanRow.digest, PlanRow.document)
    .join(ReleasePlanRow, ReleasePlanRow.plan == PlanRow.digest)
    .join(ReleaseRow, ReleaseRow.number == ReleasePlanRow.release)
    .where(ReleaseRow.id == bindparam("id"), ReleasePlanRow.host == bindparam("host"))
)


def _release(connection: Connection, row: Any) -> Release:
    hosts = select(func.count()).where(ReleasePlanRow.release == row.number)
    waivers = select(WaiverRow).where(WaiverRow.release == row.number).order_by(WaiverRow.rule)
    return Release(
        **row._mapping,
        hosts=connection.execute(hosts).scalar_one(),
        waivers=tuple(
            Waiver(found.rule, found.because, tuple(json.loads(found.findings)))
            for found in connection.execute(waivers)
        ),
    )


def _insert_plans(connection: Connection, number: int, plans: Mapping[str, Plan]) -> None:
    stored: set[str] = set()
    for batch in batches(plan.digest for plan in plans.values()):
        stored.update(connection.execute(select(PlanRow.digest).where(PlanRow.digest.in_(batch))).scalars())
    new = {plan.digest: plan for plan in plans.values() if plan.digest not in stored}
    for batch in batches(new):
        rows = [{"digest": digest, "document": new[digest].canonical()} for digest in batch]
        connection.execute(insert(PlanRow), rows)
    for batch in batches(plans):
        pairs = [{"release": number, "host": host, "plan": plans[host].digest} for host in batch]
        connection.execute(insert(ReleasePlanRow), pairs)


def _waiver_row(number: int, waiver: Waiver) -> dict[str, Any]:
    return {
        "release": number,
        "rule": waiver.rule,
        "because": waiver.because,
        "findings": canonical([dict(finding) for finding in waiver.findings]),
    }


def batches(items: Iterable[str]) -> Iterator[list[str]]:
    """Items in lists that one statement takes."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch
