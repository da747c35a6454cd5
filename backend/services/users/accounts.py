"""Reading users."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from backend.database.prepared_reads import HotRead, ReadPool
from backend.errors import AppError, ErrorCode
from backend.models.subscription import HAS_LAPSED
from backend.models.usage_metrics import MONTH_START


class Account(NamedTuple):
    """All that a request needs to know of its caller. The fields are the columns of FIND_ACCOUNT, in order."""

    user_id: int
    clerk_user_id: str | None
    email: str | None
    email_verified: bool
    username: str | None
    first_name: str | None
    last_name: str | None
    image_url: str | None
    role: str
    is_active: bool
    banned: bool
    bio: str | None
    website: str | None
    social_links: dict[str, object]
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    plan: str | None
    plan_status: str | None
    plan_period_start: datetime | None
    plan_period_end: datetime | None
    plan_has_lapsed: bool | None
    tokens_used: int | None
    tokens_limit: int | None
    campaigns_created: int | None
    api_requests: int | None
    usage_period_start: datetime | None
    usage_period_end: datetime | None
    session_revoked: bool

    @property
    def tokens_remaining(self) -> int:
        """Never negative: after a change to a smaller plan more may have been used than it allows."""
        return max(0, (self.tokens_limit or 0) - (self.tokens_used or 0))

    @property
    def is_complete(self) -> bool:
        """Whether subscription and usage are there and up to date. A tombstone needs none."""
        return self.deleted_at is not None or (
            self.plan is not None and self.tokens_used is not None and not self.plan_has_lapsed
        )


class AccountByKey(NamedTuple):
    """What an API key leads to: the state of the key, and its owner."""

    account: Account
    key_id: int
    key_hash: str
    scopes: list[str]
    is_revoked: bool
    is_expired: bool
    is_use_to_be_noted: bool


# The columns of Account. $2: session id; an API key or legacy token has none.
ACCOUNT = f"""
       u.user_id, u.clerk_user_id, u.email, u.email_verified, u.username, u.first_name, u.last_name, u.image_url,
       u.role, u.is_active, u.banned, u.bio, u.website, u.social_links, u.last_login_at, u.created_at, u.updated_at,
       u.deleted_at,
       s.plan, s.status, s.period_start, s.period_end, {HAS_LAPSED},
       m.tokens_used, m.tokens_limit, m.campaigns_created, m.api_requests,
       m.period_start, m.period_end
"""
JOINED = f"""
LEFT JOIN subscriptions s ON s.user_id = u.user_id
LEFT JOIN usage_metrics m ON m.user_id = u.user_id AND m.period_start = {MONTH_START}
"""

# One statement a request, index scans only: every authenticated call pays it.
# $1: Clerk user id, $2: session id.
FIND_ACCOUNT = HotRead(
    f"""
SELECT {ACCOUNT}, EXISTS (SELECT FROM revoked_sessions r WHERE r.session_id = $2)
FROM users u {JOINED}
WHERE u.clerk_user_id = $1
""",  # noqa: S608 - all of it is ours
    parameters=2,
)

# $1: key_hash.
FIND_ACCOUNT_BY_KEY = HotRead(
    f"""
SELECT {ACCOUNT}, false,
       k.key_id, k.key_hash, k.scopes, k.revoked_at IS NOT NULL, coalesce(k.expires_at <= now(), false),
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute'
FROM api_keys k JOIN users u ON u.user_id = k.user_id {JOINED}
WHERE k.key_hash = $1
""",  # noqa: S608
    parameters=1,
)

# $1: users.user_id, as text.
FIND_ACCOUNT_BY_ID = HotRead(
    f"SELECT {ACCOUNT}, false FROM users u {JOINED} WHERE u.user_id = $1::bigint",  # noqa: S608
    parameters=1,
)

# $1: the address of a legacy user who has not come to Clerk yet. Once linked, the address is Clerk's to give to
# somebody else, and names nobody here any more. Two rows of one address name nobody either. "C" folds ASCII letters
# only: the Kelvin sign is no k.
FIND_ACCOUNT_BY_LEGACY_EMAIL = HotRead(
    f"""
WITH held AS (
    SELECT user_id FROM users
    WHERE lower(email) = lower($1) AND lower(email COLLATE "C") = lower($1 COLLATE "C")
      AND clerk_user_id IS NULL AND deleted_at IS NULL
    LIMIT 2
)
SELECT {ACCOUNT}, false FROM users u {JOINED}
WHERE u.user_id = (SELECT min(user_id) FROM held HAVING count(*) = 1)
""",  # noqa: S608
    parameters=1,
)

# NO KEY: what only refers to the user, a campaign say, does not wait for it.
LOCK_OWNER = text("SELECT FROM users WHERE user_id = :user_id AND deleted_at IS NULL FOR NO KEY UPDATE")


def read_account(reads: ReadPool, find: HotRead, *values: str | None) -> Account | None:
    row = reads.fetch_row(find, *values)
    return None if row is None else Account._make(row)


def read_account_by_key(reads: ReadPool, key_hash: str) -> AccountByKey | None:
    row = reads.fetch_row(FIND_ACCOUNT_BY_KEY, key_hash)
    if row is None:
        return None
    width = len(Account._fields)
    return AccountByKey(Account._make(row[:width]), *row[width:])


def lock_owner(connection: Connection, user_id: int) -> None:
    """Let what one user makes and changes take turns from here on. Raises AppError (401) for a user who is gone."""
    if connection.execute(LOCK_OWNER, {"user_id": user_id}).first() is None:
        raise AppError(ErrorCode.USER_DELETED, "This user was deleted.")
