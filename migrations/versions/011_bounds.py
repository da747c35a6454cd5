"""Indexes for what is counted, and for what is deleted because it is old or too much.

Neither readers nor writers wait.
"""

from alembic import op

from migrations.locking import without_blocking

revision = "011"
down_revision = "010"

INDEXES = {
    "ix_api_keys_usable": "api_keys (user_id, coalesce(expires_at, 'infinity'::timestamptz)) WHERE revoked_at IS NULL",
    "ix_api_keys_ended": "api_keys (least(revoked_at, expires_at)) WHERE least(revoked_at, expires_at) IS NOT NULL",
    "ix_api_keys_ended_of_user": "api_keys (user_id, least(revoked_at, expires_at)) "
    "WHERE least(revoked_at, expires_at) IS NOT NULL",
    "ix_audit_events_occurred_at": "audit_events (occurred_at)",
    "ix_idempotency_keys_user_id_expires_at": "idempotency_keys (user_id, expires_at)",
}


def upgrade() -> None:
    with without_blocking():
        for name, definition in INDEXES.items():
            # A failed attempt leaves an invalid index behind.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")


def downgrade() -> None:
    with without_blocking():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
