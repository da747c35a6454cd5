"""What an admin does with one user: look, change role, plan and state, ban."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import JSONB

from backend.database.rows import columns_of, read_row
from backend.database.transactions import Transact
from backend.errors import AppError, ErrorCode
from backend.models import AuditEvent, User
from backend.models.api_key import IS_USABLE
from backend.models.roles_plans_scopes import Plan, Role
from backend.services import audit
from backend.services.audit import Action, Actor
from backend.services.clerk.client.backend_api import BackendApi
from backend.services.clerk.client.http import FetchError
from backend.services.clerk.mirror.apply import Mirror, lock_profile
from backend.services.clerk.mirror.objects import Ties
from backend.services.clerk.payloads import ClerkUser, Unprocessable, read_user
from backend.services.outbox.announcements import AppEvent, announce, ids_of_user
from backend.services.plans.renewal import set_plan
from backend.services.plans.subscriptions import PLAN_NOW, TOKENS_LIMIT_NOW
from backend.services.users.accounts import JOINED, Account, account_columns, read_account

WITHOUT_CLERK = "To keep a user out without Clerk: PATCH is_active, or `flask users deactivate`."
EVENTS_SHOWN = 20


class AuditEntry(NamedTuple):
    """What admins see of an audit event."""

    action: str
    source: str
    actor_user_id: int | None
    impersonator: str | None
    occurred_at: datetime
    details: dict[str, object]
    request_id: str | None


class UserRecord(NamedTuple):
    """All that is known of a user. `account` has the plan and token limit that count now, not those written down."""

    account: Account
    locked: bool
    external_id: str | None
    provisioned_by: str
    last_logout_at: datetime | None
    clerk_updated_at: datetime | None
    usable_api_keys: int
    events: list[AuditEntry]


class Changes(NamedTuple):
    """What to set; None leaves it as it is."""

    role: Role | None = None
    plan: Plan | None = None
    is_active: bool | None = None


NOW = {
    "plan": PLAN_NOW,
    "tokens_limit": TOKENS_LIMIT_NOW,
    "tokens_remaining": f"greatest(0, {TOKENS_LIMIT_NOW} - m.tokens_used)",
}
FIND_USER = text(f"""
SELECT {account_columns(**NOW)},
       u.locked, u.external_id, u.provisioned_by, u.last_logout_at, u.clerk_updated_at,
       (SELECT count(*) FROM api_keys k WHERE k.user_id = u.user_id AND {IS_USABLE}) AS usable_api_keys
FROM users u {JOINED}
WHERE u.user_id = :user_id
""").columns(social_links=JSONB)  # noqa: S608 - all of it is ours


def read_user_record(connection: Connection, user_id: int) -> UserRecord:
    """The user, be it a tombstone, with the newest audit events about it. Changes nothing. Raises AppError (404)."""
    row = connection.execute(FIND_USER, {"user_id": user_id}).first()
    if row is None:
        raise _unknown_user()
    events = [read_row(AuditEntry, event) for event in connection.execute(select_events(user_id))]
    others = {name: getattr(row, name) for name in UserRecord._fields if name not in {"account", "events"}}
    return UserRecord(account=read_account(row), events=events, **others)


def select_events(user_id: int) -> Select[Any]:
    """The newest audit events about a user."""
    return (
        select(*columns_of(AuditEvent, AuditEntry))
        .where(AuditEvent.subject_user_id == user_id)
        .order_by(AuditEvent.audit_id.desc())
        .limit(EVENTS_SHOWN)
    )


def change_user(connection: Connection, actor: Actor, user_id: int, changes: Changes) -> None:
    """Set what is not so already, with one audit event for each change.

    Raises AppError: 403 for somebody who is no admin any more; 404 for an unknown user; 409 for a deleted one, and for
    an admin who would lose the own access.
    """
    user = _lock_user(connection, actor, User.user_id == user_id)
    if user_id == actor.user_id and (changes.role not in {None, user.role} or changes.is_active is False):
        raise AppError(ErrorCode.CONFLICT, "You would lock yourself out. Another admin can do this, or `flask users`.")
    changed: dict[str, object] = {}
    if changes.role is not None and changes.role != user.role:
        changed["role"] = changes.role
        moved = {"from": user.role, "to": changes.role}
        audit.record(connection, actor, Action.USER_ROLE_CHANGED, user_id, **moved)
    if changes.plan is not None:
        set_plan(connection, actor, user_id, changes.plan)
    if changes.is_active is not None and changes.is_active != user.is_active:
        changed["is_active"] = changes.is_active
        action = Action.USER_ACTIVATED if changes.is_active else Action.USER_DEACTIVATED
        audit.record(connection, actor, action, user_id)
    if changed:
        written = update(User).where(User.user_id == user_id)
        connection.execute(written.values(changed | {"updated_at": func.now()}))
        announce(connection, AppEvent.USER_UPDATED, ids_of_user(user_id, user.clerk_user_id))


def set_banned(
    transact: Transact, api: BackendApi, mirror: Mirror, actor: Actor, user_id: int, *, banned: bool
) -> UserRecord:
    """Ban or unban at Clerk, which owns bans, then bring our copy up to Clerk's response at once; return what it is.

    Its user_id is another one when Clerk's response is the first profile of the user, and links them to an older row.

    Raises AppError: 403 for somebody who is no admin any more, also by the time Clerk has answered; 404 for an unknown
    user; 409 for a deleted one, one that is not at Clerk, for an admin who would ban themself, and when Clerk's state
    changed again meanwhile; 429 for an admin who does this too often; 503 while Clerk does not do it, and then nothing
    changes here.
    """
    user = transact(lambda connection: _lock_user(connection, actor, User.user_id == user_id))
    if banned and user_id == actor.user_id:
        raise AppError(ErrorCode.CONFLICT, "You would lock yourself out. Another admin can ban you.")
    if user.clerk_user_id is None:
        raise AppError(ErrorCode.CONFLICT, f"This user is not at Clerk. {WITHOUT_CLERK}")
    # Outside any transaction: Clerk may take 3 s, and no lock or connection waits with us.
    changed = _ask_clerk(api, user.clerk_user_id, actor.user_id, banned=banned)

    def follow(connection: Connection) -> UserRecord:
        lock_profile(connection, changed)
        _lock_user(connection, actor, User.clerk_user_id == user.clerk_user_id)
        mirror.told_by("request").apply_user(connection, changed, ties=Ties.WIN)
        own = select(User.user_id).where(User.clerk_user_id == user.clerk_user_id)
        found = connection.execute(own).scalar_one()
        # Compared with what was here before Clerk was asked: its webhook may have been faster than its response.
        if user.banned != banned:
            action = Action.USER_BANNED if banned else Action.USER_UNBANNED
            audit.record(connection, actor, action, found)
        return read_user_record(connection, found)

    try:
        record = transact(follow, user=user.clerk_user_id)
    except AppError as error:
        if error.code is ErrorCode.FORBIDDEN and user.banned != banned:
            # Clerk did it for somebody who is no admin any more. Two admins who ban each other would leave none.
            _ask_clerk(api, user.clerk_user_id, None, banned=not banned)
        raise
    if record.account.banned != banned:
        raise AppError(
            ErrorCode.CONFLICT, f"Clerk did it, but our newer copy says otherwise: look again. {WITHOUT_CLERK}"
        )
    return record


def _ask_clerk(api: BackendApi, clerk_user_id: str, asked_by: int | None, *, banned: bool) -> ClerkUser:
    """The user after Clerk did it. `asked_by`: whose budget pays. Raises AppError (409, 429, 503)."""
    # No reason repeats anything of the response, and none holds a key.
    reason, retry_after = "answered with something else than was asked for", None
    try:
        user = read_user((api.ban_user if banned else api.unban_user)(clerk_user_id, asked_by))
    except FetchError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            raise AppError(ErrorCode.CONFLICT, f"Clerk does not know this user. {WITHOUT_CLERK}") from None
        reason, retry_after = str(error), error.retry_after
    except Unprocessable as error:
        reason = str(error)
    else:
        if (user.clerk_user_id, user.banned) == (clerk_user_id, banned):
            return user
    detail = f"Clerk, which keeps the bans, could not be used: {reason}. {WITHOUT_CLERK}"
    raise AppError(ErrorCode.CLERK_UNAVAILABLE, detail, retry_after=retry_after)


def _lock_user(connection: Connection, actor: Actor, is_user: ColumnElement[bool]) -> Any:  # noqa: ANN401 - a row
    """Lock the user and whoever acts; return the user.

    Raises AppError: 403 when the actor is no admin any more; 404 for an unknown user; 409 for a deleted one.
    """
    # Both in one order, so that two admins who change each other do not wait for each other.
    states = (
        select(
            User.user_id,
            User.clerk_user_id,
            User.role,
            User.is_active,
            User.banned,
            User.deprovisioned,
            User.deleted_at,
        )
        .add_columns(is_user.label("is_user"))
        .where(or_(is_user, User.user_id == actor.user_id))
        .order_by(User.user_id)
        .with_for_update(key_share=True)
    )
    locked = connection.execute(states).all()
    admin = next((row for row in locked if row.user_id == actor.user_id), None)
    is_admin = (
        admin is not None and admin.role == Role.ADMIN and admin.is_active and not (admin.banned or admin.deprovisioned)
    )
    if actor.user_id is not None and not is_admin:
        # Two admins who demote each other at once would leave none.
        raise AppError(ErrorCode.FORBIDDEN, "You are no admin any more.")
    return _live(next((row for row in locked if row.is_user), None))


def _live(user: Any) -> Any:  # noqa: ANN401 - a row of some columns
    """The user, when there is one that is not deleted. Raises AppError (404, 409)."""
    if user is None:
        raise _unknown_user()
    if user.deleted_at is not None:
        raise AppError(ErrorCode.CONFLICT, "This user was deleted. That is final.")
    return user


def _unknown_user() -> AppError:
    return AppError(ErrorCode.NOT_FOUND, "There is no such user.")
