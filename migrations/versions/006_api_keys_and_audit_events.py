"""API keys, the audit trail, and indexes for admins who search users.

A downgrade drops the keys and the trail. Every program that sends a key needs a new one afterwards.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from migrations.locking import without_blocking

revision = "006"
down_revision = "005"

# Only the beginning of names: an entry of 2.7 kB does not fit into an index.
SEARCHED = {
    "email": "email",
    "username": "left(username, 100)",
    "first_name": "left(first_name, 100)",
    "last_name": "left(last_name, 100)",
}


def upgrade() -> None:
    _create_api_keys()
    _create_audit_events()
    with without_blocking():
        for column, beginning in SEARCHED.items():
            _create_index(f"ix_users_{column}", f"users (lower({beginning}) text_pattern_ops)")
        _create_index("ix_users_role", "users (role, user_id) WHERE role <> 'user'")
        _create_index("ix_users_switched_off", "users (user_id) WHERE banned OR NOT is_active")
        _create_index("ix_subscriptions_paid", "subscriptions (plan, user_id) WHERE plan <> 'free'")


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False, comment="What the owner calls it"),
        sa.Column(
            "prefix", sa.Text, nullable=False, comment="What the key begins with, API_KEY_PREFIX when it was made"
        ),
        sa.Column("last_four", sa.Text, nullable=False, comment="The last four characters, to tell keys apart"),
        sa.Column(
            "key_hash", sa.Text, nullable=False, comment="HMAC-SHA256 of the key under API_KEY_PEPPER, hexadecimal"
        ),
        sa.Column("scopes", ARRAY(sa.Text), nullable=False, comment="What the key may be used for"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), comment="Refused from here on; null: never expires"),
        sa.Column("replaced_by", sa.BigInteger, comment="key_id of the key that it was rotated to"),
        sa.Column("revoked_at", sa.DateTime(timezone=True), comment="Refused since then, for good"),
        sa.Column("last_used_at", sa.DateTime(timezone=True), comment="Last use, to the minute"),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_api_keys_user_id_users"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("cardinality(scopes) > 0", name=op.f("ck_api_keys_scopes")),
        comment="API keys of users. Only an HMAC of the key is here: nobody can read a key back.",
        if_not_exists=True,
    )
    op.create_index("ix_api_keys_user_id_key_id", "api_keys", ["user_id", "key_id"], if_not_exists=True)


def _create_audit_events() -> None:
    op.create_table(
        "audit_events",
        sa.Column("audit_id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("action", sa.Text, nullable=False, comment="What happened, as object.verb"),
        sa.Column(
            "source",
            sa.Text,
            nullable=False,
            comment="api; cli (an operator on the server); sync (an event or answer of Clerk)",
        ),
        sa.Column(
            "actor_user_id",
            sa.BigInteger,
            comment="The users.user_id who did it; null for cli and sync. No foreign key: the trail outlives its users",
        ),
        sa.Column("impersonator", sa.Text, comment="Clerk id of whoever acted in the place of actor_user_id"),
        sa.Column("subject_user_id", sa.BigInteger, comment="The users.user_id it happened to"),
        sa.Column("request_id", sa.Text, comment="X-Request-ID of the request, as in the log"),
        sa.Column(
            "details",
            JSONB,
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="What changed: ids, old and new values, reasons",
        ),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_events")),
        sa.CheckConstraint("source IN ('api', 'cli', 'sync')", name=op.f("ck_audit_events_source")),
        comment="Who changed what, when: roles, plans, states, API keys, links, impersonation.",
        if_not_exists=True,
    )
    op.create_index(
        "ix_audit_events_subject_user_id_audit_id", "audit_events", ["subject_user_id", "audit_id"], if_not_exists=True
    )
    op.create_index(
        "uq_audit_events_impersonated_session",
        "audit_events",
        [sa.text("(details ->> 'session_id')")],
        unique=True,
        postgresql_where=sa.text("action = 'session.impersonated'"),
        if_not_exists=True,
    )


def _create_index(name: str, definition: str) -> None:
    # A failed attempt leaves an invalid index behind.
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")


def downgrade() -> None:
    op.drop_index("ix_subscriptions_paid", "subscriptions")
    for name in ("switched_off", "role", *SEARCHED):
        op.drop_index(f"ix_users_{name}", "users")
    op.drop_table("audit_events")
    op.drop_table("api_keys")
