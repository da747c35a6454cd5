from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import PERSONAL, SECRET, Base


class IdempotencyKey(Base):
    """What a request was answered, written in the transaction that did its work: a repetition gets it again."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index(None, "expires_at"),
        Index(None, "user_id", "expires_at"),
        {"comment": "Answers of requests by Idempotency-Key. Expired rows go with the writes that come later."},
    )

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True, comment="Who sent the request"
    )
    method: Mapped[str] = mapped_column(primary_key=True, comment="HTTP method")
    path: Mapped[str] = mapped_column(primary_key=True, comment="Path of the URL")
    key: Mapped[str] = mapped_column(primary_key=True, comment="Idempotency-Key of the request")
    body_hash: Mapped[str] = mapped_column(
        info=SECRET, comment="SHA-256 of the request's If-Match and body, hexadecimal"
    )
    status: Mapped[int] = mapped_column(comment="HTTP status of the answer, always 2xx")
    location: Mapped[str | None] = mapped_column(comment="Location of the answer")
    etag: Mapped[str | None] = mapped_column(comment="ETag of the answer")
    body: Mapped[str] = mapped_column(
        info=PERSONAL, comment="JSON of the answer; empty when it had none; encrypted where it shows an API key"
    )
    expires_at: Mapped[datetime] = mapped_column(comment="From here on the key is forgotten")
