from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import PERSONAL, Base


class WebhookEvent(Base):
    """The ledger: one row for each signed event, written in the transaction that applied it."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        CheckConstraint("source IN ('svix', 'inngest')", name="source"),
        CheckConstraint("status IN ('applied', 'stale', 'ignored', 'dead', 'failed')", name="status"),
        Index(None, "subject_id", "received_at"),
        Index(None, "received_at"),
        Index("ix_webhook_events_unresolved", "received_at", postgresql_where=text("status IN ('dead', 'failed')")),
        Index("ix_webhook_events_kept", "status", "received_at", postgresql_where=text("payload IS NOT NULL")),
        {"comment": "What each webhook did. An event id is applied once, however often it is delivered."},
    )

    event_id: Mapped[str] = mapped_column(primary_key=True, comment="svix-id: the same on each delivery attempt")
    source: Mapped[str]
    type: Mapped[str | None] = mapped_column(comment="Clerk's event type; null when the body could not be read")
    subject_id: Mapped[str | None] = mapped_column(
        comment="Clerk id of the user the event is about, else of the object that it tells of"
    )
    status: Mapped[str] = mapped_column(
        comment="applied; stale (newer state was here); ignored (type not used); dead (cannot be processed); "
        "failed (our fault, will be delivered again)"
    )
    attempts: Mapped[int] = mapped_column(server_default=text("1"))
    error: Mapped[str | None] = mapped_column(comment="Why it is dead or failed; holds no personal data")
    payload: Mapped[str | None] = mapped_column(
        info=PERSONAL, comment="The raw body, kept while dead or failed, and 30 days when ignored"
    )
    occurred_at: Mapped[datetime | None] = mapped_column(comment="When it happened at Clerk")
    received_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    processed_at: Mapped[datetime | None] = mapped_column(comment="When the outcome was decided")
