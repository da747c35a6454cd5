"""Clerk signs users in: add clerk_user_id, drop what kept passwords.

user_id does not change. The application of the password era cannot run on this schema: stop it first.
The old unique address goes too: Clerk, not we, decides who holds which address.

A downgrade cannot bring back: the password hashes ('!' matches no password, each user has to reset theirs),
the links to Clerk users, addresses that a second user held as well.
"""

from alembic import op

from migrations.locking import without_blocking

revision = "003"
down_revision = "002"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE users
            ADD COLUMN IF NOT EXISTS clerk_user_id text,
            ALTER COLUMN email DROP NOT NULL
        """
    )
    with without_blocking():
        # What a downgrade invented.
        op.execute("UPDATE users SET email = NULL WHERE email LIKE 'user-%@invalid.invalid'")
        # A failed attempt leaves an invalid index behind.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_users_clerk_user_id")
        op.execute("CREATE UNIQUE INDEX CONCURRENTLY uq_users_clerk_user_id ON users (clerk_user_id)")
    # Only the catalog changes from here on: the exclusive lock is short however large the table.
    op.execute(
        """
        ALTER TABLE users
            ADD CONSTRAINT uq_users_clerk_user_id UNIQUE USING INDEX uq_users_clerk_user_id,
            DROP CONSTRAINT uq_users_email,
            DROP COLUMN password_hash
        """
    )
    op.execute(
        """
        COMMENT ON TABLE users IS
            'Our own copy of every user. Clerk owns the profile, we own user_id, role and state.';
        COMMENT ON COLUMN users.clerk_user_id IS
            'Clerk''s user_… id; null for a legacy user that no Clerk user has been linked to';
        COMMENT ON COLUMN users.email IS 'Primary address at Clerk; null when the user has none'
        """
    )


def downgrade() -> None:
    # One transaction under one lock, the plain way: neither application can serve between the two schemas.
    op.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
    # Who holds an address: the verified user, then the newest. Invented addresses of an earlier downgrade
    # are made anew, so that they cannot meet.
    op.execute(
        """
        UPDATE users
        SET email = 'user-' || user_id || '@invalid.invalid', email_verified = false
        FROM (
            SELECT user_id AS id, row_number() OVER (
                PARTITION BY email ORDER BY email_verified DESC, created_at DESC, user_id DESC
            ) AS place
            FROM users
        ) AS holder
        WHERE user_id = id
            AND (email IS NULL OR place > 1 OR email LIKE 'user-%@invalid.invalid')
        """
    )
    op.execute(
        """
        ALTER TABLE users
            DROP COLUMN clerk_user_id,
            ALTER COLUMN email SET NOT NULL,
            ADD CONSTRAINT uq_users_email UNIQUE (email),
            ADD COLUMN password_hash text NOT NULL DEFAULT '!'
        """
    )
    op.execute("ALTER TABLE users ALTER COLUMN password_hash DROP DEFAULT")
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS jwt_blacklist (
            jti text CONSTRAINT pk_jwt_blacklist PRIMARY KEY,
            user_id bigint NOT NULL
                CONSTRAINT fk_jwt_blacklist_user_id_users REFERENCES users ON DELETE CASCADE,
            expires_at timestamptz NOT NULL
        )
        """
    )
    op.execute(
        """
        COMMENT ON TABLE users IS 'Users, with their passwords.';
        COMMENT ON COLUMN users.email IS 'Address the user signs in with';
        COMMENT ON COLUMN users.password_hash IS 'Salted hash, never the password';
        COMMENT ON TABLE jwt_blacklist IS 'Tokens that are refused although they have not expired.';
        COMMENT ON COLUMN jwt_blacklist.jti IS 'The jti claim of a token that was logged out';
        COMMENT ON COLUMN jwt_blacklist.expires_at IS 'End of the token''s life; may be purged from here on'
        """
    )
