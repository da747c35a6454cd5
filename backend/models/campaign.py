from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Identity, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import PERSONAL, Base

RESTORABLE = timedelta(days=30)
LIVE = text("deleted_at IS NULL")
# Not now(): that is when a transaction began, before it waited for another one of the same user.
CLOCK = text("clock_timestamp()")


class Campaign(Base):
    """A campaign of one user. With `deleted_at` it is hidden everywhere, and can be restored for 30 days."""

    __tablename__ = "campaigns"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'active', 'paused', 'completed', 'archived')", name="status"),
        CheckConstraint("channel IN ('email', 'sms', 'push', 'social', 'search', 'display')", name="channel"),
        CheckConstraint("(budget_minor IS NULL) = (budget_currency IS NULL)", name="budget"),
        CheckConstraint("budget_minor >= 0", name="budget_minor"),
        CheckConstraint("ends_at > starts_at", name="period"),
        CheckConstraint("cardinality(tags) <= 20", name="tags"),
        # Each page is found in one of these and in campaign_tags, alone: all of its order, and the campaign_id. The
        # first one has the deleted ones too, apart from the others: whoever erases a user finds every campaign in it.
        Index(None, "user_id", "deleted_at", "created_at", "campaign_id"),
        Index("ix_campaigns_status", "user_id", "status", "created_at", "campaign_id", postgresql_where=LIVE),
        Index("ix_campaigns_name", "user_id", "folded_name", "campaign_id", postgresql_where=LIVE),
        # For `flask purge`: small, a live campaign is not in it.
        Index(None, "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        {"comment": "Campaigns. Those with deleted_at count for nothing and can be restored for 30 days."},
    )

    campaign_id: Mapped[int] = mapped_column(Identity(always=False), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.user_id", ondelete="CASCADE"), comment="The owner; nobody else sees it"
    )
    name: Mapped[str] = mapped_column(info=PERSONAL, comment="One line, at most 100 characters")
    # By code point: the same order on every server. A column, and not only an expression in the index: of that
    # PostgreSQL knows no index-only scan. Not the whole name: an entry of 2.7 kB would not fit.
    folded_name: Mapped[str] = mapped_column(
        Text(collation="C"),
        Computed("lower(left(name, 100))", persisted=True),
        info=PERSONAL,
        comment="The name in lower case, to sort and search by",
    )
    description: Mapped[str | None] = mapped_column(info=PERSONAL, comment="At most 5,000 characters, with line breaks")
    status: Mapped[str] = mapped_column(
        server_default=text("'draft'"), comment="draft, active, paused, completed or archived"
    )
    channel: Mapped[str] = mapped_column(comment="email, sms, push, social, search or display")
    budget_minor: Mapped[int | None] = mapped_column(comment="In the smallest unit of the currency: cents, yen")
    budget_currency: Mapped[str | None] = mapped_column(comment="ISO 4217, three letters")
    starts_at: Mapped[datetime | None] = mapped_column(comment="Planned begin")
    ends_at: Mapped[datetime | None] = mapped_column(comment="Planned end, after the begin")
    tags: Mapped[list[str]] = mapped_column(
        ARRAY(Text), info=PERSONAL, server_default=text("'{}'"), comment="In lower case; also in campaign_tags"
    )
    template_id: Mapped[int | None] = mapped_column(
        comment="The template it was made from. No foreign key: it may be gone, and the campaign stays as it is"
    )
    version: Mapped[int] = mapped_column(
        server_default=text("1"), comment="Goes up with each change; the ETag of the API"
    )
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    updated_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    deleted_at: Mapped[datetime | None] = mapped_column(comment="Deleted by the owner; restorable for 30 days")


class CampaignTag(Base):
    """The tags of live campaigns once more, one a row: a page by tag is then a walk through one index."""

    __tablename__ = "campaign_tags"
    __table_args__ = (
        Index(None, "user_id", "tag", "created_at", "campaign_id"),
        {"comment": "campaigns.tags of campaigns that are not deleted, one a row, to list campaigns by tag."},
    )

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.campaign_id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(info=PERSONAL, primary_key=True, comment="In lower case")
    user_id: Mapped[int] = mapped_column(comment="The campaign's owner")
    created_at: Mapped[datetime] = mapped_column(comment="When the campaign was created")
