from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import PERSONAL, SECRET, Base

# Of `api_keys`: neither revoked nor expired. As ix_api_keys_usable has it: a user's usable keys are counted with each
# new one, whatever the number of those that have ended.
EXPIRES_AT = "coalesce(expires_at, 'infinity'::timestamptz)"
IS_USABLE = f"(revoked_at IS NULL AND {EXPIRES_AT} > now())"
ENDED_AT = "least(revoked_at, expires_at)"


class ApiKey(Base):
    """A key that a program sends instead of a session token. The key itself is shown once and never stored."""

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("key_hash"),
        CheckConstraint("cardinality(scopes) > 0", name="scopes"),
        Index(None, "user_id", "key_id"),
        Index("ix_api_keys_usable", "user_id", text(f"({EXPIRES_AT})"), postgresql_where=text("revoked_at IS NULL")),
        # Of one user's the oldest beyond what the plan keeps are deleted, of all users' the old ones by `flask purge`.
        Index(
            "ix_api_keys_ended_of_user",
            "user_id",
            text(f"({ENDED_AT})"),
            postgresql_where=text(f"{ENDED_AT} IS NOT NULL"),
        ),
        Index("ix_api_keys_ended", text(f"({ENDED_AT})"), postgresql_where=text(f"{ENDED_AT} IS NOT NULL")),
        {"comment": "API keys of users. Only an HMAC of the key is here: nobody can read a key back."},
    )

    key_id: Mapped[int] = mapped_column(Identity(always=False), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(info=PERSONAL, comment="What the owner calls it")
    prefix: Mapped[str] = mapped_column(comment="What the key begins with, API_KEY_PREFIX when it was made")
    last_four: Mapped[str] = mapped_column(comment="The last four characters, to tell keys apart")
    key_hash: Mapped[str] = mapped_column(
        info=SECRET, comment="HMAC-SHA256 of the key under API_KEY_PEPPER, hexadecimal"
    )
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="What the key may be used for")
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[datetime | None] = mapped_column(comment="Refused from here on; null: never expires")
    replaced_by: Mapped[int | None] = mapped_column(comment="key_id of the key that it was rotated to")
    revoked_at: Mapped[datetime | None] = mapped_column(comment="Refused since then, for good")
    last_used_at: Mapped[datetime | None] = mapped_column(comment="Last use, to the minute")
