"""Campaigns, their tags and templates, and the answers kept by Idempotency-Key.

Only new tables: nothing waits for this. A downgrade drops all campaigns and templates.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "007"
down_revision = "006"

CHANNELS = "channel IN ('email', 'sms', 'push', 'social', 'search', 'display')"
LIVE = sa.text("deleted_at IS NULL")
CLOCK = sa.text("clock_timestamp()")


def upgrade() -> None:
    _create_campaigns()
    _create_campaign_tags()
    _create_templates()
    _create_idempotency_keys()


def _preset_columns() -> list[sa.Column[object]]:
    """What campaigns and templates have in common."""
    return [
        sa.Column("name", sa.Text, nullable=False, comment="One line, at most 100 characters"),
        sa.Column("description", sa.Text, comment="At most 5,000 characters, with line breaks"),
        sa.Column("channel", sa.Text, nullable=False, comment="email, sms, push, social, search or display"),
        sa.Column("budget_minor", sa.BigInteger, comment="In the smallest unit of the currency: cents, yen"),
        sa.Column("budget_currency", sa.Text, comment="ISO 4217, three letters"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=CLOCK, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=CLOCK, nullable=False),
    ]


def _preset_checks(table: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(CHANNELS, name=op.f(f"ck_{table}_channel")),
        sa.CheckConstraint("(budget_minor IS NULL) = (budget_currency IS NULL)", name=op.f(f"ck_{table}_budget")),
        sa.CheckConstraint("budget_minor >= 0", name=op.f(f"ck_{table}_budget_minor")),
        sa.CheckConstraint("cardinality(tags) <= 20", name=op.f(f"ck_{table}_tags")),
    ]


def _tags(comment: str) -> sa.Column[object]:
    return sa.Column("tags", ARRAY(sa.Text), server_default=sa.text("'{}'"), nullable=False, comment=comment)


def _refers_to_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.user_id"], name=op.f(f"fk_{table}_user_id_users"), ondelete="CASCADE"
    )


def _create_campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("campaign_id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False, comment="The owner; nobody else sees it"),
        *_preset_columns(),
        sa.Column(
            "folded_name",
            sa.Text(collation="C"),
            sa.Computed("lower(left(name, 100))", persisted=True),
            nullable=False,
            comment="The name in lower case, to sort and search by",
        ),
        sa.Column(
            "status",
            sa.Text,
            server_default=sa.text("'draft'"),
            nullable=False,
            comment="draft, active, paused, completed or archived",
        ),
        sa.Column("starts_at", sa.DateTime(timezone=True), comment="Planned begin"),
        sa.Column("ends_at", sa.DateTime(timezone=True), comment="Planned end, after the begin"),
        _tags("In lower case; also in campaign_tags"),
        sa.Column(
            "template_id",
            sa.BigInteger,
            comment="The template it was made from. No foreign key: it may be gone, and the campaign stays as it is",
        ),
        sa.Column(
            "version",
            sa.BigInteger,
            server_default=sa.text("1"),
            nullable=False,
            comment="Goes up with each change; the ETag of the API",
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), comment="Deleted by the owner; restorable for 30 days"),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_campaigns")),
        _refers_to_user("campaigns"),
        sa.CheckConstraint(
            "status IN ('draft', 'active', 'paused', 'completed', 'archived')", name=op.f("ck_campaigns_status")
        ),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_campaigns_period")),
        *_preset_checks("campaigns"),
        comment="Campaigns. Those with deleted_at count for nothing and can be restored for 30 days.",
        if_not_exists=True,
    )
    _create_campaign_indexes()


def _create_campaign_indexes() -> None:
    live: dict[str, Any] = {"postgresql_where": LIVE, "if_not_exists": True}
    by_status = ["user_id", "status", "created_at", "campaign_id"]
    op.create_index("ix_campaigns_status", "campaigns", by_status, **live)
    op.create_index("ix_campaigns_name", "campaigns", ["user_id", "folded_name", "campaign_id"], **live)
    op.create_index(
        "ix_campaigns_user_id_deleted_at_created_at_campaign_id",
        "campaigns",
        ["user_id", "deleted_at", "created_at", "campaign_id"],
        if_not_exists=True,
    )
    op.create_index(
        "ix_campaigns_deleted_at",
        "campaigns",
        ["deleted_at"],
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
        if_not_exists=True,
    )


def _create_campaign_tags() -> None:
    op.create_table(
        "campaign_tags",
        sa.Column("campaign_id", sa.BigInteger, nullable=False),
        sa.Column("tag", sa.Text, nullable=False, comment="In lower case"),
        sa.Column("user_id", sa.BigInteger, nullable=False, comment="The campaign's owner"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When the campaign was created"),
        sa.PrimaryKeyConstraint("campaign_id", "tag", name=op.f("pk_campaign_tags")),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.campaign_id"],
            name=op.f("fk_campaign_tags_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        comment="campaigns.tags of campaigns that are not deleted, one a row, to list campaigns by tag.",
        if_not_exists=True,
    )
    op.create_index(
        "ix_campaign_tags_user_id_tag_created_at_campaign_id",
        "campaign_tags",
        ["user_id", "tag", "created_at", "campaign_id"],
        if_not_exists=True,
    )


def _create_templates() -> None:
    op.create_table(
        "campaign_templates",
        sa.Column("template_id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger, comment="The owner; null: shared with everybody"),
        *_preset_columns(),
        _tags("In lower case"),
        sa.PrimaryKeyConstraint("template_id", name=op.f("pk_campaign_templates")),
        _refers_to_user("campaign_templates"),
        *_preset_checks("campaign_templates"),
        comment="Presets that campaigns are made from; a campaign copies what it takes over.",
        if_not_exists=True,
    )
    op.create_index(
        "ix_campaign_templates_user_id_template_id",
        "campaign_templates",
        ["user_id", "template_id"],
        if_not_exists=True,
    )


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.BigInteger, nullable=False, comment="Who sent the request"),
        sa.Column("method", sa.Text, nullable=False, comment="HTTP method"),
        sa.Column("path", sa.Text, nullable=False, comment="Path of the URL"),
        sa.Column(
            "key",
            sa.Text,
            nullable=False,
            comment="Idempotency-Key; a random one of our own for a minute when none was sent",
        ),
        sa.Column(
            "body_hash", sa.Text, nullable=False, comment="SHA-256 of the request's If-Match and body, hexadecimal"
        ),
        sa.Column("status", sa.BigInteger, nullable=False, comment="HTTP status of the answer, always 2xx"),
        sa.Column("location", sa.Text, comment="Location of the answer"),
        sa.Column("etag", sa.Text, comment="ETag of the answer"),
        sa.Column(
            "body",
            sa.Text,
            nullable=False,
            comment="JSON of the answer; empty when it had none; encrypted where it shows an API key",
        ),
        sa.Column(
            "expires_at", sa.DateTime(timezone=True), nullable=False, comment="From here on the key is forgotten"
        ),
        sa.PrimaryKeyConstraint("user_id", "method", "path", "key", name=op.f("pk_idempotency_keys")),
        _refers_to_user("idempotency_keys"),
        comment="Answers of requests by Idempotency-Key. Expired rows go with the writes that come later.",
        if_not_exists=True,
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"], if_not_exists=True)


def downgrade() -> None:
    for table in ("idempotency_keys", "campaign_templates", "campaign_tags", "campaigns"):
        op.drop_table(table)
