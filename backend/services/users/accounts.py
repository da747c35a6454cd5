"""Accounts: what a request knows of its caller, and making users complete."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from backend.database.locks import lock_user
from backend.database.prepared_reads import PreparedRead
from backend.database.statements import Statement
from backend.errors import AppError, ErrorCode
from backend.models import RevokedSession, User
from backend.models.roles_plans_scopes import Plan
from backend.models.subscription import HAS_LAPSED
from backend.models.usage_metrics import MONTH_START
from backend.services.clerk.payloads import Profile
from backend.services.plans.catalogue import TOKENS_BY_PLAN


class Account(NamedTuple):
    """All that a request needs to know of its caller.

    `has_profile`: Clerk has told who the user is. `is_settled`: subscription and usage of this month are there, and no
    plan has ended without having been taken back.
    """

    user_id: int
    clerk_user_id: str | None
    role: str
    is_active: bool
    banned: bool
    deprovisioned: bool
    phone: str | None
    phone_verified: bool
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
    tokens_used: int | None
    tokens_limit: int | None
    tokens_remaining: int | None
    campaigns_created: int | None
    api_requests: int | None
    usage_period_start: datetime | None
    usage_period_end: datetime | None
    has_profile: bool
    is_settled: bool
    session_revoked: bool
    profile: Profile

    @property
    def key(self) -> str | int:
        """What all requests of one user have in common, whatever their credential."""
        return self.clerk_user_id or self.user_id


class AccountByKey(NamedTuple):
    """What an API key leads to: the state of the key, and its owner."""

    key_id: int
    key_hash: str
    scopes: list[str]
    is_revoked: bool
    is_expired: bool
    is_use_to_be_noted: bool
    account: Account


# The columns of an account that are not columns of `users` of the same name. An API key has no session that could be
# revoked.
EXPRESSIONS = {
    "plan": "s.plan",
    "plan_status": "s.status",
    "plan_period_start": "s.period_start",
    "plan_period_end": "s.period_end",
    "tokens_used": "m.tokens_used",
    "tokens_limit": "m.tokens_limit",
    # Never negative: after a change to a smaller plan more may have been used than it allows.
    "tokens_remaining": "greatest(0, m.tokens_limit - m.tokens_used)",
    "campaigns_created": "m.campaigns_created",
    "api_requests": "m.api_requests",
    "usage_period_start": "m.period_start",
    "usage_period_end": "m.period_end",
    "has_profile": "u.clerk_updated_at IS NOT NULL",
    "is_settled": f"s.plan IS NOT NULL AND m.user_id IS NOT NULL AND {HAS_LAPSED} IS NOT TRUE",
    "session_revoked": "false",
}
COLUMNS = (*Account._fields[:-1], *Profile._fields)
JOINED = f"""
LEFT JOIN subscriptions s ON s.user_id = u.user_id
LEFT JOIN usage_metrics m ON m.user_id = u.user_id AND m.period_start = {MONTH_START}
"""


def account_columns(**changes: str) -> str:
    """The columns of an account as SQL, over `users u` and JOINED. `changes`: other expressions for some."""
    expressions = EXPRESSIONS | changes
    return ", ".join(f"{expressions.get(name, f'u.{name}')} AS {name}" for name in COLUMNS)


def read_account(row: Row[Any]) -> Account:
    """The account in a row that has its columns among others."""
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    profile = Profile(**{name: values[name] for name in Profile._fields})
    return Account(**{name: values[name] for name in Account._fields[:-1]}, profile=profile)


def _find_account(where: str, **changes: str) -> PreparedRead[Account]:
    query = f"SELECT {account_columns(**changes)} FROM users u {JOINED} WHERE {where}"  # noqa: S608 - all of it is ours
    return PreparedRead(query, *(Account, Profile))


REVOKED = "EXISTS (SELECT FROM revoked_sessions r WHERE r.session_id = $2)"

# One statement a request, index scans only: every authenticated call pays it.
# $1: Clerk user id, $2: session id.
FIND_BY_CLERK_ID = _find_account("u.clerk_user_id = $1", session_revoked=REVOKED)

# Legacy tokens speak for rows of the password era, linked or not: nobody born at Clerk ever had one.
# $1: users.user_id, as text. $2: the token, as revoked_sessions names it.
FIND_BY_LEGACY_ID = _find_account("u.user_id = $1::bigint AND u.provisioned_by = 'legacy'", session_revoked=REVOKED)

# $1: the address of a legacy user who has not come to Clerk yet. Once linked, the address is Clerk's to give to
# somebody else, and names nobody here any more. Two rows of one address name nobody either. "C" folds ASCII letters
# only: the Kelvin sign is no k. $2: as above.
FIND_BY_LEGACY_EMAIL = _find_account(
    """
u.user_id = (SELECT min(user_id) FROM (
    SELECT user_id FROM users
    WHERE lower(email) = lower($1) AND lower(email COLLATE "C") = lower($1 COLLATE "C")
      AND clerk_user_id IS NULL AND deleted_at IS NULL
    LIMIT 2
) AS held HAVING count(*) = 1) AND u.provisioned_by = 'legacy'
""",
    session_revoked=REVOKED,
)

# $1: key_hash.
FIND_BY_KEY = PreparedRead[AccountByKey](
    f"""
SELECT k.key_id, k.key_hash, k.scopes, k.revoked_at IS NOT NULL AS is_revoked,
       coalesce(k.expires_at <= now(), false) AS is_expired,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' AS is_use_to_be_noted,
       {account_columns()}
FROM api_keys k JOIN users u ON u.user_id = k.user_id {JOINED}
WHERE k.key_hash = $1
""",  # noqa: S608 - all of it is ours
    *(AccountByKey, Account, Profile),
)


def lock_owner(connection: Connection, user_id: int) -> None:
    """Let what one user makes and changes happen one after the other. Raises AppError (401) for a user who is gone."""
    # NO KEY: what only refers to the user, an API key say, does not wait for it.
    found = select(User.user_id).where(User.user_id == user_id, User.deleted_at.is_(None))
    if connection.execute(found.with_for_update(key_share=True)).first() is None:
        raise AppError(ErrorCode.USER_DELETED, "This user was deleted.")


def completing(live: str) -> str:
    """Common table expressions, as SQL, that give the users (user_id) of `live`, another one, the subscription and the
    usage of this month where they are missing. The limit of the last month goes on into a new one: it may be the user's
    own.
    """
    return f"""
    subscribed AS (
        INSERT INTO subscriptions (user_id) SELECT user_id FROM {live} ON CONFLICT (user_id) DO NOTHING
    ), counted AS (
        INSERT INTO usage_metrics (user_id, tokens_limit)
        SELECT live.user_id,
               coalesce((
                   SELECT tokens_limit FROM usage_metrics WHERE user_id = live.user_id
                   ORDER BY period_start DESC LIMIT 1
               ), CASE coalesce((SELECT plan FROM subscriptions WHERE user_id = live.user_id), '{Plan.FREE}')
                  {TOKENS_BY_PLAN} END)
        FROM {live} AS live
        ON CONFLICT (user_id, period_start) DO NOTHING
    )
    """  # noqa: S608 - the numbers are our constants


# A tombstone gets nothing.
COMPLETE_USER = Statement(f"""
WITH live AS (
    SELECT user_id FROM users
    WHERE (clerk_user_id = :clerk_user_id OR user_id = :user_id) AND deleted_at IS NULL
), {completing("live")}
SELECT user_id FROM live
""")  # noqa: S608 - all of it is ours


def insert_user(connection: Connection, clerk_user_id: str, provisioned_by: str) -> bool:
    """Insert a user of whom only the id is known. False when there is a row already, be it a tombstone."""
    values = {"clerk_user_id": clerk_user_id, "provisioned_by": provisioned_by}
    inserted = insert(User).values(values).on_conflict_do_nothing(index_elements=[User.clerk_user_id])
    return connection.execute(inserted.returning(User.user_id)).first() is not None


def complete_user(connection: Connection, clerk_user_id: str | None = None, *, user_id: int | None = None) -> None:
    """Give a live user, named by either id, the subscription and the usage of this month where they are missing."""
    COMPLETE_USER.run(connection, clerk_user_id=clerk_user_id, user_id=user_id)


def provision_for_request(connection: Connection, clerk_user_id: str, session_id: str | None) -> bool:
    """Make the user of a valid token whose webhook has not come yet. True when the row is new.

    Safe beside any number of like requests and the webhook: whoever comes second finds the row. A session that has
    ended makes no user.
    """
    lock_user(connection, clerk_user_id)
    revoked = select(RevokedSession.session_id).where(RevokedSession.session_id == session_id)
    is_alive = connection.execute(revoked).first() is None
    is_new = is_alive and insert_user(connection, clerk_user_id, "request")
    complete_user(connection, clerk_user_id)
    return is_new
