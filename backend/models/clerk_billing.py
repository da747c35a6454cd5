from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import Base


class ClerkBilling(Base):
    """What Clerk Billing said of a user's subscription; `subscriptions` has what follows from it."""

    __tablename__ = "clerk_billing"
    __table_args__ = (
        {"comment": "The newest that Clerk Billing said of each user's subscription, in any order of its events."},
    )

    clerk_user_id: Mapped[str] = mapped_column(
        primary_key=True, comment="No foreign key: the users row may yet make room for a legacy one"
    )
    subscription_id: Mapped[str] = mapped_column(comment="csub_… of Clerk Billing")
    listed_at: Mapped[int] = mapped_column(
        server_default=text("0"),
        comment="updated_at of the newest subscription.* event, Unix milliseconds; 0 without one",
    )
    items: Mapped[dict[str, Any]] = mapped_column(
        JSONB, comment="By item id: plan (slug), status and times of Clerk, Unix milliseconds"
    )
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
