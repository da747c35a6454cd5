from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import Base

# Before the jti of a token of the password era that was logged out there. Clerk's ids begin with sess_.
REVOKED_JTI = "jti:"


class RevokedSession(Base):
    """A session that ended at Clerk. Its tokens are refused although their signature is good for 60 s more."""

    __tablename__ = "revoked_sessions"
    __table_args__ = (Index(None, "expires_at"), {"comment": "Sessions that ended; a token of one is refused at once."})

    session_id: Mapped[str] = mapped_column(
        primary_key=True,
        comment="Clerk's sess_… id, the sid claim of its tokens; jti:… is a legacy token that was logged out",
    )
    revoked_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[datetime] = mapped_column(
        comment="From here on no token of the session can be alive; may be purged"
    )
