"""Indexes for what admins look for: the phone number, and users whom the directory of their company switched off.

Neither readers nor writers wait. The old index goes when the new one is there.
"""

from alembic import op

from migrations.locking import without_blocking

revision = "014"
down_revision = "013"

SWITCHED_OFF = "ix_users_switched_off"


def upgrade() -> None:
    with without_blocking():
        _create("ix_users_phone", "users (lower(phone) text_pattern_ops)")
        _replace("banned OR deprovisioned OR NOT is_active")


def downgrade() -> None:
    with without_blocking():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_users_phone")
        _replace("banned OR NOT is_active")


def _replace(condition: str) -> None:
    _create(f"{SWITCHED_OFF}_new", f"users (user_id) WHERE {condition}")
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {SWITCHED_OFF}")
    op.execute(f"ALTER INDEX {SWITCHED_OFF}_new RENAME TO {SWITCHED_OFF}")


def _create(name: str, definition: str) -> None:
    # A failed attempt leaves an invalid index behind.
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")
