"""Writing what Clerk says of a user over our copy, unless ours is newer. The only writer of what Clerk owns.

Order of arrival means nothing: a profile counts by Clerk's `updated_at`, and a delete is final.
"""

import contextlib
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import Connection, func, text, update
from sqlalchemy.dialects.postgresql import insert

from backend.database.locks import lock_user
from backend.database.rows import read_row
from backend.models import User
from backend.services.clerk import linking
from backend.services.clerk.linking import Link, LinkRules, LockedUser
from backend.services.clerk.payloads import MAX_AHEAD, ClerkUser, Unprocessable, read_user
from backend.services.users.accounts import complete_user, insert_user

# The user's own row, the one that external_id names, and all live ones with the address. Locked in one order: users who
# exchange their addresses cannot deadlock, and of users who want one legacy row the second sees it taken.
# A time that lies ahead says nothing: it was written by a release that took whatever Clerk sent.
LOCK_ROWS = text("""
SELECT user_id, clerk_user_id, email, email_verified, deleted_at,
       CASE WHEN clerk_updated_at > now() + :max_ahead THEN to_timestamp(0) ELSE clerk_updated_at END
       AS clerk_updated_at,
       coalesce(lower(email) = lower(:email) AND deleted_at IS NULL, false) AS has_address
FROM users
WHERE clerk_user_id = :clerk_user_id
   OR user_id = :named_user_id
   OR (lower(email) = lower(:email) AND deleted_at IS NULL)
ORDER BY user_id
FOR UPDATE
""")

OWNED_BY_CLERK = [column.name for column in User.__table__.c if column.info.get("clerk")]


class Outcome(StrEnum):
    """What an event did."""

    APPLIED = "applied"
    STALE = "stale"
    IGNORED = "ignored"

    @classmethod
    def of(cls, is_news: bool) -> Self:
        return cls("applied" if is_news else "stale")


class Mirror:
    """Keeps our copy of Clerk's users, by one set of rules. One an application."""

    def __init__(self, link_rules: LinkRules) -> None:
        """`link_rules`: when a legacy row becomes a new user's."""
        self._link_rules = link_rules

    def apply_user(self, connection: Connection, user: ClerkUser, *, wins_ties: bool) -> bool:
        """Insert or update the user and make it complete. False when our copy is newer, or the user is deleted.

        `wins_ties`: whether `user` counts against a copy of the same `updated_at`. An update does, a creation does not:
        Clerk may send both with one time, in any order.
        """
        profile = user.profile
        lock_profile(connection, user)
        values = {"clerk_user_id": user.clerk_user_id, "email": profile.email, "max_ahead": MAX_AHEAD}
        found = connection.execute(LOCK_ROWS, values | {"named_user_id": self._link_rules.named_id(user.external_id)})
        rows = [read_row(LockedUser, row) for row in found]
        own = next((row for row in rows if row.clerk_user_id == user.clerk_user_id), None)
        if own is not None and not _is_newer(user, own, wins_ties=wins_ties):
            return False
        decision = None
        if own is None or own.clerk_updated_at is None:
            # Before the addresses are settled: that takes from a legacy row the proof that its address was verified.
            decision = linking.decide(user, rows, self._link_rules)
            if isinstance(decision, Link):
                decision = linking.link(connection, user.clerk_user_id, decision)
        email_verified = profile.email_verified and _may_hold_email(connection, user, rows)
        user_id = _upsert(connection, user, email_verified=email_verified)
        if decision is not None:
            linking.record(connection, user.clerk_user_id, user_id, decision)
        complete_user(connection, user.clerk_user_id)
        return True

    def ensure_user(
        self, connection: Connection, clerk_user_id: str, copy: object = None, as_of: int | None = None
    ) -> None:
        """An event may come before its user's: make the user then, from the copy that the event carries."""
        if isinstance(copy, dict) and copy.get("id") == clerk_user_id:
            # The copy is a courtesy; without it the event still counts.
            with contextlib.suppress(Unprocessable):
                self.apply_user(connection, read_user(copy, as_of), wins_ties=False)
                return
        insert_user(connection, clerk_user_id, "webhook")
        complete_user(connection, clerk_user_id)


def lock_profile(connection: Connection, user: ClerkUser) -> None:
    """Hold the advisory locks that writing the profile takes: before any lock on rows, or two could wait for ever."""
    lock_user(connection, user.clerk_user_id, user.profile.email if user.profile.email_verified else None)


def apply_profile(
    mirror: Mirror, connection: Connection, data: dict[str, Any], as_of: int, *, wins_ties: bool
) -> Outcome:
    return Outcome.of(mirror.apply_user(connection, read_user(data, as_of), wins_ties=wins_ties))


def _is_newer(user: ClerkUser, own: LockedUser, *, wins_ties: bool) -> bool:
    if own.deleted_at is not None:
        return False
    if own.clerk_updated_at is None or user.clerk_updated_at > own.clerk_updated_at:
        return True
    return wins_ties and user.clerk_updated_at == own.clerk_updated_at


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
    return True


def _upsert(connection: Connection, user: ClerkUser, *, email_verified: bool) -> int:
    """Write the columns that Clerk owns; return the user_id."""
    columns = user.columns | {"email_verified": email_verified}
    owned = {name: columns[name] for name in OWNED_BY_CLERK}
    statement = insert(User).values(owned | {"clerk_user_id": user.clerk_user_id, "provisioned_by": "webhook"})
    newest = {name: statement.excluded[name] for name in owned} | {"updated_at": func.now()}
    statement = statement.on_conflict_do_update(index_elements=[User.clerk_user_id], set_=newest)
    user_id: int = connection.execute(statement.returning(User.user_id)).scalar_one()
    return user_id
