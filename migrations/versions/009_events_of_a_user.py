"""An index for the newest webhook events of one user, in place of the one that knew no order.

Neither readers nor writers wait. A downgrade brings the old one back.
"""

from alembic import op

from migrations.locking import without_blocking

revision = "009"
down_revision = "008"


def upgrade() -> None:
    with without_blocking():
        _replace(
            "ix_webhook_events_subject_id",
            "ix_webhook_events_subject_id_received_at",
            "webhook_events (subject_id, received_at)",
        )


def _replace(old: str, new: str, definition: str) -> None:
    # A failed attempt leaves an invalid index behind.
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {new}")
    op.execute(f"CREATE INDEX CONCURRENTLY {new} ON {definition}")
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {old}")


def downgrade() -> None:
    with without_blocking():
        _replace(
            "ix_webhook_events_subject_id_received_at", "ix_webhook_events_subject_id", "webhook_events (subject_id)"
        )
