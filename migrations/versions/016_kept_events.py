"""An index for the webhook events whose payload is kept: few among those that were applied.

Neither readers nor writers wait.
"""

from alembic import op

from migrations.locking import without_blocking

revision = "016"
down_revision = "015"

INDEX = "ix_webhook_events_kept"


def upgrade() -> None:
    with without_blocking():
        # A failed attempt leaves an invalid index behind.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY {INDEX} ON webhook_events (status, received_at) WHERE payload IS NOT NULL"
        )


def downgrade() -> None:
    with without_blocking():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
