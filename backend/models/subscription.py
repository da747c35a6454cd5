from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import Base
from backend.models.roles_plans_scopes import Plan, one_of

# Of `subscriptions s`: it was canceled and has come to its end, and the plan is not taken back yet.
HAS_LAPSED = "(s.plan <> 'free' AND s.status = 'canceled' AND s.period_end <= now())"


class Subscription(Base):
    """The plan of a user: exactly one row a live user."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint(one_of("plan", Plan), name="plan"),
        CheckConstraint("status IN ('active', 'past_due', 'canceled')", name="status"),
        Index("ix_subscriptions_paid", "plan", "user_id", postgresql_where=text("plan <> 'free'")),
        {"comment": "The plan of each user; made with the user, free at first."},
    )

    user_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True)
    plan: Mapped[str] = mapped_column(server_default=text("'free'"))
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    stripe_customer_id: Mapped[str | None] = mapped_column(comment="Customer at Stripe; kept when the plan changes")
    clerk_subscription_id: Mapped[str | None] = mapped_column(
        comment="csub_… of Clerk Billing, when it manages the plan"
    )
    period_start: Mapped[datetime] = mapped_column(server_default=text("now()"))
    period_end: Mapped[datetime | None] = mapped_column(comment="Null: no end, as on the free plan")
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
