"""The tables of the store. What changes them is in ``migrations``; a test holds the two together."""

from __future__ import annotations

from datetime import datetime, timezone

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

HEAD = "0002"
"""The newest migration."""

DIGEST = String(64)
"""sha256 in hex."""


class Utc(TypeDecorator[datetime]):
    """A time in UTC. SQLite has no time zones, so it gets naive times and they are given theirs when they are read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC."""
        if value is None:
            return None
        moment = value.astimezone(timezone.utc)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


class Base(DeclarativeBase):
    """The store's tables."""


class PlanRow(Base):
    """A plan, stored once however many releases have it."""

    __tablename__ = "plan"

    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    document: Mapped[str] = mapped_column(Text)
    """The plan's canonical form, as text: a JSON type would spell it anew."""


class ReleaseRow(Base):
    """A release."""

    __tablename__ = "release"

    number: Mapped[int] = mapped_column(primary_key=True)
    """The order of creation, which clocks cannot change."""
    id: Mapped[str] = mapped_column(DIGEST, unique=True)
    created_at: Mapped[datetime] = mapped_column(Utc)
    who: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    against: Mapped[int | None] = mapped_column(ForeignKey("release.number"))
    """The release that the rules compared it with."""
    policy_digest: Mapped[str] = mapped_column(DIGEST)
    policy: Mapped[str] = mapped_column(Text)
    """The policy's canonical form."""


class ReleasePlanRow(Base):
    """Which plan a release has for a host. The key finds it in one look-up, so SQLite needs no row id beside it."""

    __tablename__ = "release_plan"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 SQLAlchemy's own form

    release: Mapped[int] = mapped_column(ForeignKey("release.number"), primary_key=True)
    host: Mapped[str] = mapped_column(Text, primary_key=True)
    plan: Mapped[str] = mapped_column(DIGEST, ForeignKey("plan.digest"))


class WaiverRow(Base):
    """A rule that a release was allowed to break."""

    __tablename__ = "waiver"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 SQLAlchemy's own form

    release: Mapped[int] = mapped_column(ForeignKey("release.number"), primary_key=True)
    rule: Mapped[str] = mapped_column(Text, primary_key=True)
    because: Mapped[str] = mapped_column(Text)
    findings: Mapped[str] = mapped_column(Text)
    """What the rule had found, as a JSON list of findings."""


class AssignmentRow(Base):
    """Which release a host is to run. A host without a row has never been in a rollout, or was taken back from it."""

    __tablename__ = "assignment"
    __table_args__ = (
        ForeignKeyConstraint(["release", "host"], ["release_plan.release", "release_plan.host"]),
        {"sqlite_with_rowid": False},
    )

    host: Mapped[str] = mapped_column(Text, primary_key=True)
    release: Mapped[int]
    """It has a plan for the host: the key says so."""
    rollout: Mapped[int | None] = mapped_column(ForeignKey("rollout.number"))
    """The rollout that said so."""
    since: Mapped[datetime] = mapped_column(Utc)


class OperationRow(Base):
    """Something that people do to running hosts beside releases."""

    __tablename__ = "operation"
    __table_args__ = (Index("operation_active", "ended_at", "until"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    """A JSON mapping, as `operations.Operation` has it."""
    settings: Mapped[str] = mapped_column(Text)
    """A JSON mapping."""
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Utc)
    until: Mapped[datetime | None] = mapped_column(Utc)
    ended_at: Mapped[datetime | None] = mapped_column(Utc)
    ended_by: Mapped[str | None] = mapped_column(Text)
    ended_why: Mapped[str | None] = mapped_column(Text)


class RolloutRow(Base):
    """A rollout: what it was told, and how it ended. Everything between is in `EventRow`."""

    __tablename__ = "rollout"

    number: Mapped[int] = mapped_column(primary_key=True)
    release: Mapped[int] = mapped_column(ForeignKey("release.number"))
    brief: Mapped[str] = mapped_column(Text)
    """A JSON mapping, as `rollout.brief.Brief` has it."""
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Utc)
    finished_at: Mapped[datetime | None] = mapped_column(Utc)
    status: Mapped[str | None] = mapped_column(Text)
    """What it ended as; nothing before."""
    supersedes: Mapped[int | None] = mapped_column(ForeignKey("rollout.number"))


class EventRow(Base):
    """An entry of a rollout's journal; entries are only ever added."""

    __tablename__ = "event"

    rollout: Mapped[int] = mapped_column(ForeignKey("rollout.number"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Utc)
    kind: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    """A JSON mapping, as `rollout.event` has it."""


class LeaseRow(Base):
    """Who may act. The row stays when the lease ends: its epoch must never be handed out twice."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    holder: Mapped[str] = mapped_column(Text)
    epoch: Mapped[int] = mapped_column(BigInteger)
    renewed_at: Mapped[datetime] = mapped_column(Utc)
    until: Mapped[datetime] = mapped_column(Utc)
