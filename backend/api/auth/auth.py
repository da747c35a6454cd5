"""Who am I."""

from flask import Blueprint, Response, jsonify, request

from backend.access.policies import check_live_session, get_caller, get_current_user_id
from backend.schemas.account import AccountOut

__all__ = ["blueprint", "get_current_user_id"]

blueprint = Blueprint("auth", __name__)


@blueprint.get("/auth/me")
@blueprint.get("/api/me")
def me() -> Response:
    """The caller: user, subscription, usage of this month, session."""
    caller = get_caller()
    body = AccountOut.of(caller.identity, caller.account).model_dump_json()
    return Response(body, content_type="application/json")


@blueprint.get("/protected")
def protected() -> Response:
    """A personal greeting. With `session_id`, Clerk itself is asked whether that session of the caller goes on."""
    session_id = request.args.get("session_id")
    if session_id is not None:
        check_live_session(session_id)
    account = get_caller().account
    name = account.first_name or account.username or account.email or f"user {account.user_id}"
    return jsonify(message=f"Hello {name}", user_id=get_current_user_id(), session_id=session_id)
