"""What a reconcile has seen, so that it can be done in parts. A new table: nobody waits. A downgrade forgets it."""

from alembic import op

revision = "019"
down_revision = "018"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE sync_seen (
            id text CONSTRAINT pk_sync_seen PRIMARY KEY,
            state text NOT NULL CONSTRAINT ck_sync_seen_state CHECK (state IN ('seen', 'different', 'extra'))
        );
        CREATE INDEX ix_sync_seen_state_id ON sync_seen (state, id) WHERE state <> 'seen';
        COMMENT ON TABLE sync_seen IS 'What the reconcile at work has seen of the kind that it is at.';
        COMMENT ON COLUMN sync_seen.id IS 'Of the object, at Clerk';
        COMMENT ON COLUMN sync_seen.state IS
            'seen; different (to be looked at again); extra (here, not in the list: to be asked for)'
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE sync_seen")
