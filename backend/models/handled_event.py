from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import Base


class HandledEvent(Base):
    """An event of Clerk that the application's own functions ran with."""

    __tablename__ = "handled_events"
    __table_args__ = (
        Index(None, "handled_at"),
        {"comment": "Events that functions of on_event ran with: one that comes by Svix and by Inngest is one event."},
    )

    digest: Mapped[str] = mapped_column(primary_key=True, comment="SHA-256 of its type and data")
    source: Mapped[str] = mapped_column(comment="By which way it came first: webhook or inngest")
    handled_at: Mapped[datetime] = mapped_column(server_default=text("now()"), comment="When they last ran with it")
