"""The tables of the store. What changes them is in ``migrations``; a test holds the two together."""

from __future__ import annotations

from datetime import datetime, timezone

from sqlalchemy import DateTime, Dialect, ForeignKey, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

HEAD = "0001"
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
