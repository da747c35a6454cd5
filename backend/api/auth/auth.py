"""Who am I."""

from flask import Blueprint, Response, jsonify

from backend.access.policies import get_caller, get_current_user_id
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
    """A personal greeting: the smallest route that needs a signed-in user."""
    account = get_caller().account
    name = account.first_name or account.username or account.clerk_user_id
    return jsonify(message=f"Hello {name}", user_id=get_current_user_id())
