"""Users, for admins."""

from flask import Blueprint, Response, current_app
from pydantic import BaseModel

from backend.access.policies import current_actor
from backend.api.parsing import read_body, read_query
from backend.extensions import in_transaction
from backend.schemas.base import Input
from backend.schemas.user import UserChanges, UserPageOut, UserQuery, UserRecordOut
from backend.services.admin import change_user, read_user, set_banned
from backend.services.user_list import list_users

blueprint = Blueprint("users", __name__)


@blueprint.get("")
def list_page() -> Response:
    """One page of the users that fit the filters, newest first."""
    query = read_query(UserQuery)
    page = in_transaction(
        lambda connection: list_users(connection, query.filter, limit=query.limit, before=query.before)
    )
    return _answer(UserPageOut.of(page))


@blueprint.get("/<id:user_id>")
def show(user_id: int) -> Response:
    """One user, with all that is known."""
    record = in_transaction(lambda connection: read_user(connection, user_id))
    return _answer(UserRecordOut.of(record))


@blueprint.patch("/<id:user_id>")
def change(user_id: int) -> Response:
    """Set role, plan or is_active."""
    changes = read_body(UserChanges).changes
    actor = current_actor()
    in_transaction(lambda connection: change_user(connection, actor, user_id, changes))
    return show(user_id)


@blueprint.post("/<id:user_id>/ban")
def ban(user_id: int) -> Response:
    """Ban the user at Clerk and here."""
    return _set_banned(user_id, banned=True)


@blueprint.post("/<id:user_id>/unban")
def unban(user_id: int) -> Response:
    """Take the ban back."""
    return _set_banned(user_id, banned=False)


def _set_banned(user_id: int, *, banned: bool) -> Response:
    read_body(Input)
    clerk, sync = current_app.extensions["clerk"], current_app.extensions["sync"]
    return show(set_banned(in_transaction, clerk.api, sync, current_actor(), user_id, banned=banned))


def _answer(body: BaseModel) -> Response:
    return Response(body.model_dump_json(), content_type="application/json")
