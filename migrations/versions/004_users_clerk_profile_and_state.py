"""The rest of what Clerk knows of a user: profile, state, times.

One live user at most holds a verified address from here on: of several, the newest. No row is deleted.

A downgrade loses these columns. Deleted and banned users are switched off (is_active), so that none of them
can come back by it; a later upgrade leaves them so.
"""

from alembic import op

from migrations.locking import without_blocking

revision = "004"
down_revision = "003"


def upgrade() -> None:
    # Constant defaults are kept in the catalog: no row is rewritten.
    op.execute(
        """
        ALTER TABLE users
            ADD COLUMN IF NOT EXISTS username text,
            ADD COLUMN IF NOT EXISTS image_url text,
            ADD COLUMN IF NOT EXISTS banned boolean NOT NULL DEFAULT false,
            ADD COLUMN IF NOT EXISTS locked boolean NOT NULL DEFAULT false,
            ADD COLUMN IF NOT EXISTS external_id text,
            ADD COLUMN IF NOT EXISTS provisioned_by text NOT NULL DEFAULT 'legacy',
            ADD COLUMN IF NOT EXISTS last_logout_at timestamptz,
            ADD COLUMN IF NOT EXISTS clerk_updated_at timestamptz,
            ADD COLUMN IF NOT EXISTS deleted_at timestamptz
        """
    )
    # The rows that are here stay 'legacy'; the new default is for the next ones.
    op.execute(
        """
        ALTER TABLE users
            ALTER COLUMN provisioned_by SET DEFAULT 'webhook',
            DROP CONSTRAINT IF EXISTS ck_users_provisioned_by,
            ADD CONSTRAINT ck_users_provisioned_by
                CHECK (provisioned_by IN ('webhook', 'request', 'backfill', 'legacy')) NOT VALID
        """
    )
    op.execute(
        """
        COMMENT ON COLUMN users.email_verified IS
            'Clerk verified the address and no newer user holds it; unique among live users when true';
        COMMENT ON COLUMN users.image_url IS 'Avatar address at Clerk; never fetched by this backend';
        COMMENT ON COLUMN users.banned IS 'Banned at Clerk';
        COMMENT ON COLUMN users.locked IS
            'Sign-in locked at Clerk after failed attempts; live sessions go on';
        COMMENT ON COLUMN users.external_id IS 'external_id at Clerk: the id of an older system';
        COMMENT ON COLUMN users.provisioned_by IS
            'What made the row: webhook, request (a valid token came first), backfill or legacy';
        COMMENT ON COLUMN users.last_login_at IS 'Start of the newest session at Clerk';
        COMMENT ON COLUMN users.last_logout_at IS 'End of the newest ended session at Clerk';
        COMMENT ON COLUMN users.clerk_updated_at IS
            'updated_at at Clerk of the profile held here; older events are stale';
        COMMENT ON COLUMN users.deleted_at IS
            'Deleted at Clerk. Final: personal data is erased, the row stays as a tombstone'
        """
    )
    with without_blocking():
        op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_provisioned_by")
        op.execute(
            """
            UPDATE users
            SET email_verified = false, updated_at = now()
            FROM (
                SELECT user_id AS id, row_number() OVER (
                    PARTITION BY lower(email) ORDER BY created_at DESC, user_id DESC
                ) AS place
                FROM users
                WHERE email_verified AND email IS NOT NULL AND deleted_at IS NULL
            ) AS holder
            WHERE user_id = id AND place > 1
            """
        )
        # A failed attempt leaves an invalid index behind.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_users_verified_email")
        op.execute(
            """
            CREATE UNIQUE INDEX CONCURRENTLY uq_users_verified_email ON users (lower(email))
            WHERE email_verified AND deleted_at IS NULL
            """
        )


def downgrade() -> None:
    # No ban or deletion may slip in between the two statements.
    op.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
    op.execute("UPDATE users SET is_active = false WHERE is_active AND (banned OR deleted_at IS NOT NULL)")
    op.execute("DROP INDEX uq_users_verified_email")
    op.execute(
        """
        ALTER TABLE users
            DROP COLUMN username,
            DROP COLUMN image_url,
            DROP COLUMN banned,
            DROP COLUMN locked,
            DROP COLUMN external_id,
            DROP COLUMN provisioned_by,
            DROP COLUMN last_logout_at,
            DROP COLUMN clerk_updated_at,
            DROP COLUMN deleted_at
        """
    )
    op.execute(
        """
        COMMENT ON COLUMN users.email_verified IS 'The user opened the link sent to the address';
        COMMENT ON COLUMN users.last_login_at IS 'Newest sign-in'
        """
    )
