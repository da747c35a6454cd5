from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import Base


class OutboxEvent(Base):
    """What is to be told to others: a row for each event and destination, written with what the event tells of."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("event_id", "destination"),
        CheckConstraint("status IN ('pending', 'sent', 'dead')", name="status"),
        Index("ix_outbox_pending", "destination", "next_at", postgresql_where=text("status = 'pending'")),
        Index("ix_outbox_unsent", "outbox_id", postgresql_where=text("status <> 'sent'")),
        Index(None, "settled_at"),
        {"comment": "Events of this application on their way to those who asked for them. Ids, nothing personal."},
    )

    outbox_id: Mapped[int] = mapped_column(Identity(always=False), primary_key=True)
    event_id: Mapped[str] = mapped_column(comment="The same for each destination and on each attempt")
    destination: Mapped[str] = mapped_column(
        comment="url (OUTBOX_URL), inngest, or the on_sign_up function that is to run"
    )
    type: Mapped[str] = mapped_column(comment="As app/user.updated")
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="The ids of whom and what it tells of")
    status: Mapped[str] = mapped_column(
        server_default=text("'pending'"), comment="pending; sent; dead (given up after the last attempt)"
    )
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str | None] = mapped_column(comment="Why the last attempt failed; holds no personal data")
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    next_at: Mapped[datetime] = mapped_column(
        server_default=text("now()"), comment="When the next attempt is due; while one is under way, when it is over"
    )
    settled_at: Mapped[datetime | None] = mapped_column(comment="When it was sent or given up")
