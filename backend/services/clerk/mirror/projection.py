"""What `users` has of Clerk's users: the projection of the copy, which requests read.

It follows in the transaction that changed the copy. Whether there was anything newer is decided there (objects.py).
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql

from backend.database.locks import LOCK
from backend.database.statements import PreparedStatement, Statement
from backend.models import User
from backend.services.clerk import linking
from backend.services.clerk.linking import Link, LinkRules, LockedUser
from backend.services.clerk.mirror.kinds import KINDS
from backend.services.clerk.mirror.objects import UPSERTS, Ties, parameters
from backend.services.clerk.payloads import ClerkUser
from backend.services.outbox.announcements import ASKED, AppEvent, announce, announce_profiles, ids_of_user
from backend.services.users.accounts import completing

OWNED_BY_CLERK = [column.name for column in User.__table__.c if column.info.get("clerk")]
DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
TYPES = {column.name: column.type.compile(DIALECT) for column in User.__table__.c}

# The user's own row, the one that external_id names, and all live ones with the address. Locked in one order: users who
# exchange their addresses cannot deadlock, and of users who want one legacy row the second sees it taken.
# A time that lies ahead says nothing: it was written by a release that took whatever Clerk sent.
# One round trip with the locks and the copy. Whether that took the user comes with each row; there is always one.
WRITE_AND_LOCK = PreparedStatement(
    LOCK,
    f"""
WITH written AS ({UPSERTS["users"].sql})
SELECT EXISTS (SELECT FROM written) AS is_news, r.*
FROM (SELECT) AS always LEFT JOIN LATERAL (
    SELECT user_id, clerk_user_id, email, email_verified,
           CASE WHEN clerk_updated_at > now() + :max_ahead::interval THEN to_timestamp(0) ELSE clerk_updated_at END
           AS clerk_updated_at,
           deleted_at, coalesce(lower(email) = lower(:email::text) AND deleted_at IS NULL, false) AS has_address
    FROM users
    WHERE clerk_user_id = :clerk_user_id
       OR user_id = :named_user_id::bigint
       OR (lower(email) = lower(:email::text) AND deleted_at IS NULL)
    ORDER BY user_id
    FOR UPDATE
) AS r ON true
""",  # noqa: S608 - all of it is ours
)

# Those whose address or external id is somebody else's, too: there is something to decide.
SELECT_CONTESTED = Statement("""
SELECT g.clerk_user_id FROM unnest(:ids::text[], :emails::text[], :named::bigint[]) AS g (clerk_user_id, email, named)
WHERE EXISTS (
    SELECT FROM users r
    WHERE lower(r.email) = lower(g.email) AND r.deleted_at IS NULL AND r.clerk_user_id IS DISTINCT FROM g.clerk_user_id
) OR EXISTS (
    SELECT FROM users r WHERE r.user_id = g.named AND r.clerk_user_id IS DISTINCT FROM g.clerk_user_id
)
""")

_GIVEN = ", ".join(f"{name} {TYPES[name]}" for name in ("clerk_user_id", *OWNED_BY_CLERK))
_OWNED = ", ".join(OWNED_BY_CLERK)
_NEWEST = ", ".join(f"{name} = excluded.{name}" for name in OWNED_BY_CLERK)
# The users, with all that a user has, in one statement for any number.
PROJECT = PreparedStatement(f"""
WITH live AS (
    INSERT INTO users AS u (clerk_user_id, {_OWNED}, provisioned_by)
    SELECT clerk_user_id, {_OWNED}, :provisioned_by::text FROM jsonb_to_recordset(:users::jsonb) AS given ({_GIVEN})
    ON CONFLICT (clerk_user_id) DO UPDATE SET {_NEWEST}, updated_at = now() WHERE u.deleted_at IS NULL
    RETURNING user_id, clerk_user_id
), {completing("live")}
SELECT user_id, clerk_user_id FROM live
""")  # noqa: S608 - all of it is ours


def lock_rows(
    connection: Connection, user: ClerkUser, rules: LinkRules, source: str, ties: Ties
) -> list[LockedUser] | None:
    """Bring the copy up to the user, and lock the rows that the profile may concern. None when it is no news."""
    found = WRITE_AND_LOCK.run(
        connection,
        **parameters(KINDS["users"], [user.object], source, ties),
        clerk_user_id=user.clerk_user_id,
        address=address_to_lock(user),
        email=user.profile.email,
        named_user_id=rules.named_id(user.external_id),
    ).all()
    if not found[0].is_news:
        return None
    return [LockedUser._make(row[1:]) for row in found if row.user_id is not None]


def address_to_lock(user: ClerkUser) -> str | None:
    """Two users with one proven address wait for each other."""
    return user.profile.email if user.profile.email_verified else None


def project_user(
    connection: Connection, user: ClerkUser, rows: Sequence[LockedUser], rules: LinkRules, provisioned_by: str
) -> None:
    """Write the user's row, the first time perhaps over a legacy one. `rows`: locked, those of lock_rows()."""
    own = next((row for row in rows if row.clerk_user_id == user.clerk_user_id), None)
    if own is not None and own.deleted_at is not None:
        return
    decision = None
    if own is None or own.clerk_updated_at is None:
        # Before the addresses are settled: that takes from a legacy row the proof that its address was verified.
        decision = linking.decide(user, rows, rules)
        if isinstance(decision, Link):
            decision = linking.link(connection, user.clerk_user_id, decision)
    linked_id = decision.user_id if isinstance(decision, Link) else None
    others = [row for row in rows if row.user_id != linked_id]
    email_verified = user.profile.email_verified and _may_hold_email(connection, user, others)
    (user_id,) = write_rows(connection, [user], provisioned_by, email_verified=email_verified)
    if decision is not None:
        linking.record(connection, user.clerk_user_id, user_id, decision)


def find_contested(connection: Connection, users: Collection[ClerkUser], rules: LinkRules) -> set[str]:
    """The Clerk ids of those whose address or external id is somebody else's too, here or among `users`."""
    emails = [(user.profile.email or "").casefold() for user in users]
    held = Counter(emails)
    twice = {user.clerk_user_id for user, email in zip(users, emails, strict=True) if email and held[email] > 1}
    found = SELECT_CONTESTED.run(
        connection,
        ids=[user.clerk_user_id for user in users],
        emails=[user.profile.email for user in users],
        named=[rules.named_id(user.external_id) for user in users],
    )
    return twice | set(found.scalars())


def write_rows(
    connection: Connection, users: Collection[ClerkUser], provisioned_by: str, **others: object
) -> list[int]:
    """Insert or update users and make them complete; return the user_id of each, in no order.

    `users`: those whose rows are locked or are nobody's concern. `others`: columns that are not as Clerk has them.
    """
    rows = to_rows(user.columns | others for user in users)
    known = find_known(connection, users)
    written = PROJECT.run(connection, users=rows, provisioned_by=provisioned_by).all()
    if known is not None:
        announce_profiles(connection, written, known, {user.clerk_user_id: user.signed_up_at for user in users})
    return [row.user_id for row in written]


def find_known(connection: Connection, users: Iterable[ClerkUser]) -> frozenset[str] | None:
    """The Clerk ids of those whose profile is here already. None where nobody asked for events."""
    if not connection.get_execution_options().get(ASKED):
        return None
    ids = [user.clerk_user_id for user in users]
    known = select(User.clerk_user_id).where(User.clerk_user_id.in_(ids), User.clerk_updated_at.is_not(None))
    return frozenset(str(each) for each in connection.execute(known).scalars())


def to_rows(users: Iterable[dict[str, Any]]) -> str:
    """Columns of users as JSON, which PostgreSQL reads with the types of the columns."""
    return json.dumps([user | {"clerk_updated_at": user["clerk_updated_at"].isoformat()} for user in users])


def _may_hold_email(connection: Connection, user: ClerkUser, rows: Iterable[LockedUser]) -> bool:
    """Whether the user holds a verified address: of live users the newest does. The others keep it unverified.

    Clerk's ids grow with time, so they decide between equal times.
    """
    for row in rows:
        if not row.has_address or not row.email_verified or row.clerk_user_id == user.clerk_user_id:
            continue
        ours = user.clerk_updated_at, user.clerk_user_id
        if row.clerk_updated_at is not None and ours <= (row.clerk_updated_at, row.clerk_user_id or ""):
            return False
        released = {User.email_verified: False, User.updated_at: func.now()}
        connection.execute(update(User).where(User.user_id == row.user_id).values(released))
        announce(connection, AppEvent.USER_UPDATED, ids_of_user(row.user_id, row.clerk_user_id))
    return True
