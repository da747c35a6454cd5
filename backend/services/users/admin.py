"""What an admin does with one user: look, change role, plan and state, ban."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text
from sqlalchemy.dialects.postgresql import JSONB

from backend.database.prepared_reads import Transact
from backend.errors import AppError, ErrorCode
from backend.models.api_key import IS_USABLE
from backend.models.choices import Plan, Role
from backend.services import audit
from backend.services.audit import Action, Actor
from backend.services.clerk.client.backend_api import ClerkApi
from backend.services.clerk.client.http import FetchError
from backend.services.clerk.mirror.apply import UserSync
from backend.services.clerk.payloads import Profile, Unprocessable, read_profile
from backend.services.plans.subscriptions import PLAN_NOW, TOKENS_LIMIT_NOW, set_plan
from backend.services.users.accounts import ACCOUNT, JOINED, Account

WITHOUT_CLERK = "To keep a user out without Clerk: PATCH is_active, or `flask users deactivate`."
EVENTS_SHOWN = 20


class AuditEvent(NamedTuple):
    """The fields are the columns of FIND_EVENTS, in order."""

    action: str
    source: str
    actor_user_id: int | None
    impersonator: str | None
    occurred_at: datetime
    details: dict[str, object]
    request_id: str | None


class UserRecord(NamedTuple):
    """All that is known of a user. The fields after `account` and before `events` are columns of FIND_USER, in order.

    `account` has the plan and the token limit that count now, not those that are still written down.
    """

    account: Account
    locked: bool
    external_id: str | None
    provisioned_by: str
    last_logout_at: datetime | None
    clerk_updated_at: datetime | None
    usable_api_keys: int
    events: list[AuditEvent]


class Changes(NamedTuple):
    """What to set; None leaves it as it is."""

    role: Role | None = None
    plan: Plan | None = None
    is_active: bool | None = None


FIND_USER = text(f"""
SELECT {ACCOUNT}, false,
       {PLAN_NOW} AS plan_now, {TOKENS_LIMIT_NOW} AS tokens_limit_now,
       u.locked, u.external_id, u.provisioned_by, u.last_logout_at, u.clerk_updated_at,
       (SELECT count(*) FROM api_keys k WHERE k.user_id = u.user_id AND {IS_USABLE})
FROM users u {JOINED}
WHERE u.user_id = :user_id
""").columns(social_links=JSONB)  # noqa: S608 - all of it is ours

FIND_EVENTS = text("""
SELECT action, source, actor_user_id, impersonator, occurred_at, details, request_id
FROM audit_events
WHERE subject_user_id = :user_id
ORDER BY audit_id DESC
LIMIT :limit
""").columns(details=JSONB)

READ_STATE = text("SELECT clerk_user_id, banned, deleted_at FROM users WHERE user_id = :user_id")
# With whoever changes the user: those take turns too, in one order, so that two cannot wait for each other.
LOCK_STATES = text("""
SELECT user_id, role, is_active, deleted_at FROM users WHERE user_id IN (:user_id, :actor_id)
ORDER BY user_id FOR NO KEY UPDATE
""")
FIND_BY_CLERK_ID = text("SELECT user_id FROM users WHERE clerk_user_id = :clerk_user_id")

SET_ROLE = text("UPDATE users SET role = :role, updated_at = now() WHERE user_id = :user_id")
SET_ACTIVE = text("UPDATE users SET is_active = :is_active, updated_at = now() WHERE user_id = :user_id")


def read_user(connection: Connection, user_id: int) -> UserRecord:
    """The user, be it a tombstone, with the newest audit events about it. Changes nothing. Raises AppError (404)."""
    row = connection.execute(FIND_USER, {"user_id": user_id}).first()
    if row is None:
        raise _unknown_user()
    found = connection.execute(FIND_EVENTS, {"user_id": user_id, "limit": EVENTS_SHOWN})
    events = [AuditEvent._make(event) for event in found]
    width = len(Account._fields)
    account = Account._make(row[:width])._replace(plan=row.plan_now, tokens_limit=row.tokens_limit_now)
    return UserRecord._make((account, *row[width + 2 :], events))


def change_user(connection: Connection, actor: Actor, user_id: int, changes: Changes) -> None:
    """Set what is not so already, with one audit event for each change.

    Raises AppError: 404 for an unknown user; 409 for a deleted one, and for an admin who would lose the own access.
    """
    rows = connection.execute(LOCK_STATES, {"user_id": user_id, "actor_id": actor.user_id})
    locked = {row.user_id: row for row in rows}
    if actor.user_id is not None:
        _check_still_admin(locked.get(actor.user_id))
    user = _live(locked.get(user_id))
    if user_id == actor.user_id and (changes.role not in {None, user.role} or changes.is_active is False):
        raise AppError(
            ErrorCode.CONFLICT, "You would lock yourself out. Another admin can do this, or `flask users`."
        )
    if changes.role is not None and changes.role != user.role:
        connection.execute(SET_ROLE, {"user_id": user_id, "role": changes.role})
        moved = {"from": user.role, "to": changes.role}
        audit.record(connection, actor, Action.USER_ROLE_CHANGED, user_id, **moved)
    if changes.plan is not None:
        set_plan(connection, actor, user_id, changes.plan)
    if changes.is_active is not None and changes.is_active != user.is_active:
        connection.execute(SET_ACTIVE, {"user_id": user_id, "is_active": changes.is_active})
        action = Action.USER_ACTIVATED if changes.is_active else Action.USER_DEACTIVATED
        audit.record(connection, actor, action, user_id)


def set_banned(
    transact: Transact, api: ClerkApi, sync: UserSync, actor: Actor, user_id: int, *, banned: bool
) -> int:
    """Ban or unban at Clerk, which owns bans, then bring our copy up to Clerk's answer at once; return its user_id.

    It is another one when Clerk's answer is the first profile of the user, and links them to an older row.

    Raises AppError: 404 for an unknown user; 409 for a deleted one, one that is not at Clerk, and for an admin who
    would ban themself; 503 while Clerk does not do it, and then nothing changes here.
    """
    user = transact(lambda connection: _live(connection.execute(READ_STATE, {"user_id": user_id}).first()))
    if banned and user_id == actor.user_id:
        raise AppError(ErrorCode.CONFLICT, "You would lock yourself out. Another admin can ban you.")
    if user.clerk_user_id is None:
        raise AppError(ErrorCode.CONFLICT, f"This user is not at Clerk. {WITHOUT_CLERK}")
    # Outside any transaction: Clerk may take 3 s, and no lock or connection waits with us.
    profile = _ask_clerk(api, user.clerk_user_id, banned=banned)

    def follow(connection: Connection) -> int:
        sync.apply_profile(connection, profile, wins_ties=True)
        found: int = connection.execute(FIND_BY_CLERK_ID, {"clerk_user_id": user.clerk_user_id}).scalar_one()
        # Compared with what was here before Clerk was asked: its webhook may have been faster than its answer.
        if user.banned != banned:
            action = Action.USER_BANNED if banned else Action.USER_UNBANNED
            audit.record(connection, actor, action, found)
        return found

    return transact(follow)


def _ask_clerk(api: ClerkApi, clerk_user_id: str, *, banned: bool) -> Profile:
    """The user after Clerk did it. Raises AppError (409, 503)."""
    try:
        profile = read_profile((api.ban_user if banned else api.unban_user)(clerk_user_id))
    except FetchError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            raise AppError(ErrorCode.CONFLICT, f"Clerk does not know this user. {WITHOUT_CLERK}") from None
        raise _clerk_unavailable(str(error), error.retry_after) from None
    except Unprocessable as error:
        raise _clerk_unavailable(str(error)) from None
    if (profile.clerk_user_id, profile.banned) != (clerk_user_id, banned):
        raise _clerk_unavailable("answered with something else than was asked for")
    return profile


def _clerk_unavailable(reason: str, retry_after: float | None = None) -> AppError:
    """`reason`: of a FetchError or Unprocessable, which repeat nothing of the answer and no key."""
    return AppError(
        ErrorCode.CLERK_UNAVAILABLE,
        f"Clerk, which keeps the bans, could not be used: {reason}. {WITHOUT_CLERK}",
        retry_after=retry_after,
    )


def _check_still_admin(actor: Row[Any] | None) -> None:
    """Two admins who demote each other at once would leave none. Raises AppError (403)."""
    if actor is None or actor.role != Role.ADMIN or not actor.is_active:
        raise AppError(ErrorCode.FORBIDDEN, "You are no admin any more.")


def _live(user: Row[Any] | None) -> Row[Any]:
    """The user, when there is one that is not deleted. Raises AppError (404, 409)."""
    if user is None:
        raise _unknown_user()
    if user.deleted_at is not None:
        raise AppError(ErrorCode.CONFLICT, "This user was deleted. That is final.")
    return user


def _unknown_user() -> AppError:
    return AppError(ErrorCode.NOT_FOUND, "There is no such user.")
