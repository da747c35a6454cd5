"""Legacy tokens that were logged out before Clerk stay refused: those still alive move to revoked_sessions.

Databases that went through 003 before this revision was written have lost them: 003 dropped the table then.

A downgrade leaves them there, where older releases do not look, and cannot say any more whose they were.
"""

from alembic import op

revision = "012"
down_revision = "011"


def upgrade() -> None:
    # A day later than their end `flask purge` deletes them: clocks differ.
    op.execute(
        """
        DO $$ BEGIN
            IF to_regclass('jwt_blacklist') IS NOT NULL THEN
                INSERT INTO revoked_sessions (session_id, expires_at)
                SELECT 'jti:' || jti, expires_at FROM jwt_blacklist
                WHERE expires_at > now() - interval '1 day'
                ON CONFLICT DO NOTHING;
                DROP TABLE jwt_blacklist;
            END IF;
        END $$
        """
    )
    op.execute(
        """
        COMMENT ON COLUMN revoked_sessions.session_id IS
            'Clerk''s sess_… id, the sid claim of its tokens; jti:… is a legacy token that was logged out'
        """
    )


def downgrade() -> None:
    op.execute(
        """
        CREATE TABLE jwt_blacklist (
            jti text CONSTRAINT pk_jwt_blacklist PRIMARY KEY,
            user_id bigint NOT NULL
                CONSTRAINT fk_jwt_blacklist_user_id_users REFERENCES users ON DELETE CASCADE,
            expires_at timestamptz NOT NULL
        )
        """
    )
    op.execute(
        """
        COMMENT ON TABLE jwt_blacklist IS 'Tokens that are refused although they have not expired.';
        COMMENT ON COLUMN jwt_blacklist.jti IS 'The jti claim of a token that was logged out';
        COMMENT ON COLUMN jwt_blacklist.expires_at IS 'End of the token''s life; may be purged from here on';
        COMMENT ON COLUMN revoked_sessions.session_id IS 'Clerk''s sess_… id, the sid claim of its tokens'
        """
    )
