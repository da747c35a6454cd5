"""What Clerk Billing says of subscriptions.

Only a new table: nothing waits for this. A downgrade forgets it; plans stay as they are until Clerk's next event.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "008"
down_revision = "007"


def upgrade() -> None:
    op.create_table(
        "clerk_billing",
        sa.Column(
            "clerk_user_id",
            sa.Text,
            nullable=False,
            comment="No foreign key: the users row may yet make room for a legacy one",
        ),
        sa.Column("subscription_id", sa.Text, nullable=False, comment="csub_… of Clerk Billing"),
        sa.Column(
            "listed_at",
            sa.BigInteger,
            server_default=sa.text("0"),
            nullable=False,
            comment="updated_at of the newest subscription.* event, Unix milliseconds; 0 without one",
        ),
        sa.Column(
            "items",
            JSONB,
            nullable=False,
            comment="By item id: plan (slug), status and times of Clerk, Unix milliseconds",
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("clerk_user_id", name=op.f("pk_clerk_billing")),
        comment="The newest that Clerk Billing said of each user's subscription, in any order of its events.",
    )


def downgrade() -> None:
    op.drop_table("clerk_billing")
