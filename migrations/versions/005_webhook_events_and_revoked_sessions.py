"""The webhook ledger, and the sessions that ended.

A downgrade drops both: replayed events are applied again, and tokens of ended sessions live out their minute.
"""

import sqlalchemy as sa
from alembic import op

revision = "005"
down_revision = "004"


def upgrade() -> None:
    op.create_table(
        "webhook_events",
        sa.Column("event_id", sa.Text, nullable=False, comment="svix-id: the same on each delivery attempt"),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("type", sa.Text, comment="Clerk's event type; null when the body could not be read"),
        sa.Column("subject_id", sa.Text, comment="Clerk id of the user the event is about"),
        sa.Column(
            "status",
            sa.Text,
            nullable=False,
            comment="applied; stale (newer state was here); ignored (type not used); "
            "dead (cannot be processed); failed (our fault, will be delivered again)",
        ),
        sa.Column("attempts", sa.BigInteger, server_default=sa.text("1"), nullable=False),
        sa.Column("error", sa.Text, comment="Why it is dead or failed; holds no personal data"),
        sa.Column("payload", sa.Text, comment="The raw body, kept only while dead or failed"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), comment="When it happened at Clerk"),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), comment="When the outcome was decided"),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_webhook_events")),
        sa.CheckConstraint("source IN ('svix', 'inngest')", name=op.f("ck_webhook_events_source")),
        sa.CheckConstraint(
            "status IN ('applied', 'stale', 'ignored', 'dead', 'failed')", name=op.f("ck_webhook_events_status")
        ),
        comment="What each webhook did. An event id is applied once, however often it is delivered.",
    )
    op.create_index("ix_webhook_events_subject_id", "webhook_events", ["subject_id"])
    op.create_index("ix_webhook_events_received_at", "webhook_events", ["received_at"])
    op.create_index(
        "ix_webhook_events_unresolved",
        "webhook_events",
        ["received_at"],
        postgresql_where=sa.text("status IN ('dead', 'failed')"),
    )
    op.create_table(
        "revoked_sessions",
        sa.Column("session_id", sa.Text, nullable=False, comment="Clerk's sess_… id, the sid claim of its tokens"),
        sa.Column("revoked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="From here on no token of the session can be alive; may be purged",
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_revoked_sessions")),
        comment="Sessions that ended; a token of one is refused at once.",
    )
    op.create_index("ix_revoked_sessions_expires_at", "revoked_sessions", ["expires_at"])


def downgrade() -> None:
    op.drop_table("revoked_sessions")
    op.drop_table("webhook_events")
