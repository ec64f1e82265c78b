"""Releases, their plans and their waivers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """From nothing."""
    op.create_table(
        "plan",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "release",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("against", sa.Integer, sa.ForeignKey("release.number")),
        sa.Column("policy_digest", sa.String(64), nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
    )
    op.create_table(
        "release_plan",
        sa.Column("release", sa.Integer, sa.ForeignKey("release.number"), primary_key=True, autoincrement=False),
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("plan", sa.String(64), sa.ForeignKey("plan.digest"), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "waiver",
        sa.Column("release", sa.Integer, sa.ForeignKey("release.number"), primary_key=True, autoincrement=False),
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("because", sa.Text, nullable=False),
        sa.Column("findings", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
