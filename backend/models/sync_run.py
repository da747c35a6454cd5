from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, Identity, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import Base


class SyncRun(Base):
    """One backfill or reconcile: how far it is, and what it found."""

    __tablename__ = "sync_runs"
    __table_args__ = (
        CheckConstraint("command IN ('backfill', 'backfill --dry-run', 'reconcile')", name="command"),
        CheckConstraint("status IN ('running', 'interrupted', 'stopped', 'finished')", name="status"),
        Index(None, "started_at"),
        {"comment": "Each backfill and reconcile of the copy of what Clerk holds, with its place and its counts."},
    )

    run_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    command: Mapped[str] = mapped_column(comment="backfill, backfill --dry-run or reconcile")
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="The tables of schema clerk it is for, in its order")
    since: Mapped[datetime | None] = mapped_column(comment="Only users who changed at Clerk since then; null: all")
    status: Mapped[str] = mapped_column(
        server_default=text("'running'"),
        comment="running; interrupted (a backfill goes on from there); stopped (it would have deleted too much, or the "
        "list was cut); finished",
    )
    kind: Mapped[str | None] = mapped_column(comment="The one of kinds that it is at")
    cursor: Mapped[dict[str, Any]] = mapped_column(
        JSONB,
        server_default=text("'{}'::jsonb"),
        comment="Where the list of that kind goes on; committed with its page",
    )
    counts: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default=text("'{}'::jsonb"), comment="By kind: what was read, found and written"
    )
    drift: Mapped[int | None] = mapped_column(comment="Of a finished reconcile: differences that are left")
    error: Mapped[str | None] = mapped_column(comment="Why it was stopped or interrupted; holds no personal data")
    attempts: Mapped[int] = mapped_column(server_default=text("1"), comment="How often it was begun or gone on with")
    asks_at: Mapped[datetime] = mapped_column(
        server_default=text("now()"), comment="When it may ask Clerk next: all runs share Clerk's limit"
    )
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="Of a continued run: at first")
    heartbeat_at: Mapped[datetime] = mapped_column(
        server_default=text("now()"), comment="When it was last seen at work; it is gone after two minutes without"
    )
    finished_at: Mapped[datetime | None] = mapped_column(comment="When it ended: finished or stopped")
