"""Giving a live user another Clerk id: an application that moves to another Clerk instance finds other ids there."""

from sqlalchemy import Connection, func, or_, select, text, update

from backend.database.locks import lock_users
from backend.database.statements import Statement
from backend.errors import AppError, ErrorCode
from backend.models import User
from backend.services import audit
from backend.services.audit import Action, Actor
from backend.services.clerk.linking import LOCK_PLACEHOLDER, delete_placeholder
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.mirror.objects import Ties
from backend.services.clerk.mirror.projection import address_to_lock
from backend.services.clerk.payloads import read_user
from backend.services.outbox.announcements import AppEvent, announce, ids_of_user

FIND_COPY = Statement("SELECT data, source FROM clerk.users WHERE id = :id AND deleted_at IS NULL")
FORGET = text("DELETE FROM clerk.users WHERE id = :id")


def relink_user(mirror: Mirror, connection: Connection, actor: Actor, user_id: int, clerk_user_id: str) -> bool:
    """Let the user be this one at Clerk from now on. False when it is so already. Nothing of the user ends.

    A row that this Clerk user has already makes room, if nothing is lost with it. Nothing is left of the old id, so
    that the way back is open. Raises AppError: 404 for an unknown user; 409 for one that is deleted or was never at
    Clerk, and for a Clerk user who is deleted or has something here.
    """
    old = connection.execute(select(User.clerk_user_id).where(User.user_id == user_id)).scalar()
    copy = FIND_COPY.run(connection, id=clerk_user_id).first()
    email = copy and address_to_lock(read_user(copy.data))
    lock_users(connection, [each for each in (old, clerk_user_id) if each], [email] if email else ())
    both = select(User.user_id, User.clerk_user_id, User.deleted_at)
    both = both.where(or_(User.user_id == user_id, User.clerk_user_id == clerk_user_id)).order_by(User.user_id)
    rows = {row.user_id: row for row in connection.execute(both.with_for_update())}
    user = rows.pop(user_id, None)
    if user is None:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such user.")
    if user.deleted_at is not None:
        raise AppError(ErrorCode.CONFLICT, "This user was deleted. That is final.")
    if user.clerk_user_id == clerk_user_id:
        return False
    if user.clerk_user_id is None:
        raise AppError(ErrorCode.CONFLICT, "This user was never at Clerk: it is linked with the first profile.")
    if user.clerk_user_id != old:
        raise AppError(ErrorCode.CONFLICT, "This user has just got another Clerk id.")
    seen = {"last_login_at": None, "last_logout_at": None}
    for other in rows.values():
        if other.deleted_at is not None:
            raise AppError(ErrorCode.CONFLICT, f"{clerk_user_id} was deleted. That is final.")
        connection.execute(LOCK_PLACEHOLDER, {"clerk_user_id": clerk_user_id})
        placeholder = connection.execute(delete_placeholder(), {"clerk_user_id": clerk_user_id}).first()
        if placeholder is None:
            raise AppError(
                ErrorCode.CONFLICT,
                f"{clerk_user_id} is user {other.user_id}, who has something. To give it to user {user_id}, merge "
                "first.",
            )
        seen = {name: getattr(placeholder, name) for name in seen}
    relinked = {
        "clerk_user_id": clerk_user_id,
        # The times of another instance say nothing here. Where no profile is known it is asked for, as of a new user.
        "clerk_updated_at": None if copy is None else func.to_timestamp(0),
        **{name: func.greatest(User.__table__.c[name], value) for name, value in seen.items()},
        "updated_at": func.now(),
    }
    connection.execute(update(User).where(User.user_id == user_id).values(relinked))
    connection.execute(FORGET, {"id": old})
    copy = FIND_COPY.run(connection, id=clerk_user_id).first()
    is_told = copy is not None and mirror.told_by(copy.source).apply_user(
        connection, read_user(copy.data), ties=Ties.WIN
    )
    if not is_told:
        announce(connection, AppEvent.USER_UPDATED, ids_of_user(user_id, clerk_user_id))
    moved = {"from": old, "to": clerk_user_id, "replaced_user_id": next(iter(rows), None)}
    audit.record(connection, actor, Action.USER_RELINKED, user_id, **moved)
    return True
