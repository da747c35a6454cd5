from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import Base


class AuditEvent(Base):
    """Who changed what. Holds ids and states, no personal data; never changed, and outlives what it tells of."""

    __tablename__ = "audit_events"
    __table_args__ = (
        CheckConstraint("source IN ('api', 'cli', 'sync')", name="source"),
        Index(None, "subject_user_id", "audit_id"),
        Index(None, "occurred_at"),  # for `flask purge`
        # An impersonated session is noted once, however many requests it makes.
        Index(
            "uq_audit_events_impersonated_session",
            text("(details ->> 'session_id')"),
            unique=True,
            postgresql_where=text("action = 'session.impersonated'"),
        ),
        {"comment": "Who changed what, when: roles, plans, states, API keys, links, impersonation."},
    )

    audit_id: Mapped[int] = mapped_column(Identity(always=False), primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    action: Mapped[str] = mapped_column(comment="What happened, as object.verb")
    source: Mapped[str] = mapped_column(
        comment="api; cli (an operator on the server); sync (an event or answer of Clerk)"
    )
    actor_user_id: Mapped[int | None] = mapped_column(
        comment="The users.user_id who did it; null for cli and sync. No foreign key: the trail outlives its users"
    )
    impersonator: Mapped[str | None] = mapped_column(comment="Clerk id of whoever acted in the place of actor_user_id")
    subject_user_id: Mapped[int | None] = mapped_column(comment="The users.user_id it happened to")
    request_id: Mapped[str | None] = mapped_column(comment="X-Request-ID of the request, as in the log")
    details: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default=text("'{}'::jsonb"), comment="What changed: ids, old and new values, reasons"
    )
