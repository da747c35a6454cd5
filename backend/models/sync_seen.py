from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import Base


class SyncSeen(Base):
    """An object that the reconcile at work has seen. There is one reconcile at a time."""

    __tablename__ = "sync_seen"
    __table_args__ = (
        CheckConstraint("state IN ('seen', 'different', 'extra')", name="state"),
        Index(None, "state", "id", postgresql_where=text("state <> 'seen'")),
        {"comment": "What the reconcile at work has seen of the kind that it is at."},
    )

    id: Mapped[str] = mapped_column(primary_key=True, comment="Of the object, at Clerk")
    state: Mapped[str] = mapped_column(
        comment="seen; different (to be looked at again); extra (here, not in the list: to be asked for)"
    )
