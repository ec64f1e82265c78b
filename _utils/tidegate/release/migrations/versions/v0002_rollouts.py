"""Assignments, operations, rollouts with their journals, and the lease of who drives them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """From a store of releases alone."""
    _time = sa.DateTime(timezone=True)
    op.create_table(
        "rollout",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("release", sa.Integer, sa.ForeignKey("release.number"), nullable=False),
        sa.Column("brief", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("finished_at", _time),
        sa.Column("status", sa.Text),
        sa.Column("supersedes", sa.Integer, sa.ForeignKey("rollout.number")),
    )
    op.create_table(
        "event",
        sa.Column("rollout", sa.Integer, sa.ForeignKey("rollout.number"), primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "assignment",
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("release", sa.Integer, nullable=False),
        sa.Column("rollout", sa.Integer, sa.ForeignKey("rollout.number")),
        sa.Column("since", _time, nullable=False),
        sa.ForeignKeyConstraint(["release", "host"], ["release_plan.release", "release_plan.host"]),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "operation",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("until", _time),
        sa.Column("ended_at", _time),
        sa.Column("ended_by", sa.Text),
        sa.Column("ended_why", sa.Text),
    )
    op.create_index("operation_active", "operation", ["ended_at", "until"])
    op.create_table(
        "lease",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("renewed_at", _time, nullable=False),
        sa.Column("until", _time, nullable=False),
    )
