"""Subscriptions and usage metrics.

Users who are already there get the free plan. Usage rows are made in the month they are needed.
"""

import sqlalchemy as sa
from alembic import op

from migrations.locking import without_blocking

revision = "002"
down_revision = "001"


def upgrade() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("plan", sa.Text, server_default=sa.text("'free'"), nullable=False),
        sa.Column("status", sa.Text, server_default=sa.text("'active'"), nullable=False),
        sa.Column("stripe_customer_id", sa.Text, comment="Customer at Stripe; kept when the plan changes"),
        sa.Column("clerk_subscription_id", sa.Text, comment="csub_… of Clerk Billing, when it manages the plan"),
        sa.Column("period_start", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), comment="Null: no end, as on the free plan"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_subscriptions")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_subscriptions_user_id_users"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("plan IN ('free', 'pro', 'enterprise')", name=op.f("ck_subscriptions_plan")),
        sa.CheckConstraint("status IN ('active', 'past_due', 'canceled')", name=op.f("ck_subscriptions_status")),
        comment="The plan of each user; made with the user, free at first.",
        if_not_exists=True,
    )
    op.create_table(
        "usage_metrics",
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column(
            "period_start",
            sa.DateTime(timezone=True),
            server_default=sa.text("(date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')"),
            nullable=False,
            comment="First instant of the month, UTC",
        ),
        sa.Column(
            "period_end",
            sa.DateTime(timezone=True),
            server_default=sa.text(
                "((date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC')"
            ),
            nullable=False,
            comment="First instant of the next month, UTC",
        ),
        sa.Column("tokens_used", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.Column(
            "tokens_limit", sa.BigInteger, server_default=sa.text("10000"), nullable=False, comment="Tokens a month"
        ),
        sa.Column("campaigns_created", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("api_requests", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "period_start", name=op.f("pk_usage_metrics")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_usage_metrics_user_id_users"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("tokens_used >= 0 AND tokens_limit >= 0", name=op.f("ck_usage_metrics_tokens")),
        sa.CheckConstraint("campaigns_created >= 0 AND api_requests >= 0", name=op.f("ck_usage_metrics_counts")),
        sa.CheckConstraint("period_end > period_start", name=op.f("ck_usage_metrics_period")),
        comment="Usage of each user by calendar month (UTC); tokens remaining = tokens_limit - tokens_used.",
        if_not_exists=True,
    )
    # In its own transaction: the new foreign keys lock `users` against writers until the commit.
    with without_blocking():
        op.execute("INSERT INTO subscriptions (user_id) SELECT user_id FROM users ON CONFLICT DO NOTHING")


def downgrade() -> None:
    op.drop_table("usage_metrics")
    op.drop_table("subscriptions")
