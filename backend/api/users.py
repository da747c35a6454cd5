"""Users, for admins."""

from flask import Blueprint
from sqlalchemy import Connection

from backend.access.policy import current_actor
from backend.api.http.operation import operation
from backend.container import current_services, in_transaction
from backend.errors import ErrorCode
from backend.schemas.base import Nothing
from backend.schemas.user import UserChanges, UserQuery, UserRecordOut, UsersOut
from backend.services.users.admin import change_user, read_user_record, set_banned
from backend.services.users.list import UserPage, list_users

blueprint = Blueprint("users", __name__)


@blueprint.get("")
@operation(UsersOut)
def list_page(connection: Connection, query: UserQuery) -> UserPage:
    """One page of the users that fit the filters, newest first."""
    return list_users(connection, query.filter, limit=query.limit, before=query.before)


@blueprint.get("/<id:user_id>")
@operation(UserRecordOut)
def show(connection: Connection, user_id: int) -> UserRecordOut:
    """One user, with all that is known."""
    return UserRecordOut.of(read_user_record(connection, user_id))


@blueprint.patch("/<id:user_id>")
@operation(UserRecordOut, refuses=[ErrorCode.CONFLICT])
def change(connection: Connection, user_id: int, body: UserChanges) -> UserRecordOut:
    """Set role, plan or is_active."""
    change_user(connection, current_actor(), user_id, body.changes)
    return UserRecordOut.of(read_user_record(connection, user_id))


@blueprint.post("/<id:user_id>/ban")
@operation(UserRecordOut, refuses=[ErrorCode.CONFLICT, ErrorCode.CLERK_UNAVAILABLE])
def ban(user_id: int, body: Nothing) -> UserRecordOut:  # noqa: ARG001 - nothing but an empty one is taken
    """Ban the user at Clerk and here."""
    return _set_banned(user_id, banned=True)


@blueprint.post("/<id:user_id>/unban")
@operation(UserRecordOut, refuses=[ErrorCode.CONFLICT, ErrorCode.CLERK_UNAVAILABLE])
def unban(user_id: int, body: Nothing) -> UserRecordOut:  # noqa: ARG001
    """Take the ban back."""
    return _set_banned(user_id, banned=False)


def _set_banned(user_id: int, *, banned: bool) -> UserRecordOut:
    """In no transaction of its own: Clerk is asked in between."""
    api, mirror = current_services().backend_api, current_services().mirror
    return UserRecordOut.of(set_banned(in_transaction, api, mirror, current_actor(), user_id, banned=banned))
