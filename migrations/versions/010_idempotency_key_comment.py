"""What the column `key` of idempotency_keys holds: since requests without the header leave no row, only the header's
value.

Neither readers nor writers wait: a comment takes a lock that both go along with.
"""

from alembic import op

revision = "010"
down_revision = "009"


def upgrade() -> None:
    op.execute("COMMENT ON COLUMN idempotency_keys.key IS 'Idempotency-Key of the request'")


def downgrade() -> None:
    op.execute(
        "COMMENT ON COLUMN idempotency_keys.key IS "
        "'Idempotency-Key; a random one of our own for a minute when none was sent'"
    )
