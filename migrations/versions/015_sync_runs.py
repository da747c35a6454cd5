"""Backfills and reconciles. Only a new table: nothing waits for this. A downgrade forgets them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "015"
down_revision = "014"


def _time(name: str, comment: str | None = None, *, is_known: bool = True) -> "sa.Column[object]":
    default = sa.text("now()") if is_known else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=not is_known, comment=comment)


def upgrade() -> None:
    op.create_table(
        "sync_runs",
        sa.Column("run_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("command", sa.Text, nullable=False, comment="backfill, backfill --dry-run or reconcile"),
        sa.Column(
            "kinds", sa.ARRAY(sa.Text), nullable=False, comment="The tables of schema clerk it is for, in its order"
        ),
        _time("since", "Only users who changed at Clerk since then; null: all", is_known=False),
        sa.Column(
            "status",
            sa.Text,
            server_default=sa.text("'running'"),
            nullable=False,
            comment="running; interrupted (a backfill goes on from there); stopped (it would have deleted too much, or "
            "the list was cut); finished",
        ),
        sa.Column("kind", sa.Text, comment="The one of kinds that it is at"),
        sa.Column(
            "cursor",
            JSONB,
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="Where the list of that kind goes on; committed with its page",
        ),
        sa.Column(
            "counts",
            JSONB,
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="By kind: what was read, found and written",
        ),
        sa.Column("drift", sa.BigInteger, comment="Of a finished reconcile: differences that are left"),
        sa.Column("error", sa.Text, comment="Why it was stopped or interrupted; holds no personal data"),
        sa.Column(
            "attempts",
            sa.BigInteger,
            server_default=sa.text("1"),
            nullable=False,
            comment="How often it was begun or gone on with",
        ),
        _time("asks_at", "When it may ask Clerk next: all runs share Clerk's limit"),
        _time("started_at", "Of a continued run: at first"),
        _time("heartbeat_at", "When it was last seen at work; it is gone after two minutes without"),
        _time("finished_at", "When it ended: finished or stopped", is_known=False),
        sa.CheckConstraint(
            "command IN ('backfill', 'backfill --dry-run', 'reconcile')", name=op.f("ck_sync_runs_command")
        ),
        sa.CheckConstraint(
            "status IN ('running', 'interrupted', 'stopped', 'finished')", name=op.f("ck_sync_runs_status")
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_sync_runs")),
        comment="Each backfill and reconcile of the copy of what Clerk holds, with its place and its counts.",
    )
    op.create_index(op.f("ix_sync_runs_started_at"), "sync_runs", ["started_at"])


def downgrade() -> None:
    op.drop_table("sync_runs")
