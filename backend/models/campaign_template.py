from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from backend.models.base import PERSONAL, Base


class CampaignTemplate(Base):
    """A preset for campaigns: a user's own, or shared with everybody by an admin."""

    __tablename__ = "campaign_templates"
    __table_args__ = (
        CheckConstraint("channel IN ('email', 'sms', 'push', 'social', 'search', 'display')", name="channel"),
        CheckConstraint("(budget_minor IS NULL) = (budget_currency IS NULL)", name="budget"),
        CheckConstraint("budget_minor >= 0", name="budget_minor"),
        CheckConstraint("cardinality(tags) <= 20", name="tags"),
        Index(None, "user_id", "template_id"),
        {"comment": "Presets that campaigns are made from; a campaign copies what it takes over."},
    )

    template_id: Mapped[int] = mapped_column(Identity(always=False), primary_key=True)
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.user_id", ondelete="CASCADE"), comment="The owner; null: shared with everybody"
    )
    name: Mapped[str] = mapped_column(info=PERSONAL, comment="One line, at most 100 characters")
    description: Mapped[str | None] = mapped_column(info=PERSONAL, comment="At most 5,000 characters, with line breaks")
    channel: Mapped[str] = mapped_column(comment="email, sms, push, social, search or display")
    budget_minor: Mapped[int | None] = mapped_column(comment="In the smallest unit of the currency: cents, yen")
    budget_currency: Mapped[str | None] = mapped_column(comment="ISO 4217, three letters")
    tags: Mapped[list[str]] = mapped_column(
        ARRAY(Text), info=PERSONAL, server_default=text("'{}'"), comment="In lower case"
    )
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
