from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import Base

# In UTC throughout: a month added in the time zone of a session can land on another day.
MONTH_START = "(date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')"
MONTH_END = "((date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC')"
FREE_TOKENS_A_MONTH = 10_000


class UsageMetrics(Base):
    """What a user used in one calendar month (UTC)."""

    __tablename__ = "usage_metrics"
    __table_args__ = (
        CheckConstraint("tokens_used >= 0 AND tokens_limit >= 0", name="tokens"),
        CheckConstraint("campaigns_created >= 0 AND api_requests >= 0", name="counts"),
        CheckConstraint("period_end > period_start", name="period"),
        {"comment": "Usage of each user by calendar month (UTC); tokens remaining = tokens_limit - tokens_used."},
    )

    user_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True)
    period_start: Mapped[datetime] = mapped_column(
        primary_key=True, server_default=text(MONTH_START), comment="First instant of the month, UTC"
    )
    period_end: Mapped[datetime] = mapped_column(
        server_default=text(MONTH_END), comment="First instant of the next month, UTC"
    )
    tokens_used: Mapped[int] = mapped_column(server_default=text("0"))
    tokens_limit: Mapped[int] = mapped_column(server_default=text(str(FREE_TOKENS_A_MONTH)), comment="Tokens a month")
    campaigns_created: Mapped[int] = mapped_column(server_default=text("0"))
    api_requests: Mapped[int] = mapped_column(server_default=text("0"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
