"""Which events the application's own functions have run with. A new table: nobody waits. A downgrade forgets it."""

from alembic import op

revision = "020"
down_revision = "019"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE handled_events (
            digest text CONSTRAINT pk_handled_events PRIMARY KEY,
            source text NOT NULL,
            handled_at timestamptz DEFAULT now() NOT NULL
        );
        CREATE INDEX ix_handled_events_handled_at ON handled_events (handled_at);
        COMMENT ON TABLE handled_events IS
            'Events that functions of on_event ran with: one that comes by Svix and by Inngest is one event.';
        COMMENT ON COLUMN handled_events.digest IS 'SHA-256 of its type and data';
        COMMENT ON COLUMN handled_events.source IS 'By which way it came first: webhook or inngest';
        COMMENT ON COLUMN handled_events.handled_at IS 'When they last ran with it'
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE handled_events")
