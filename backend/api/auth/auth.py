"""Who am I, and what I say of myself."""

from flask import Blueprint, Response, jsonify, request

from backend.access.identity import Identity
from backend.access.policies import check_live_session, get_caller, get_current_user_id, require_auth
from backend.api.parsing import read_body
from backend.extensions import in_transaction
from backend.schemas.account import AccountOut
from backend.schemas.profile import ProfileIn
from backend.services.profile import change_profile
from backend.services.scopes import Scope
from backend.services.users import Account

__all__ = ["blueprint", "get_current_user_id"]

blueprint = Blueprint("auth", __name__)


@blueprint.get("/auth/me")
@blueprint.get("/api/me")
def me() -> Response:
    """The caller: user, subscription, usage of this month, session."""
    return _answer(*get_caller())


@blueprint.patch("/api/me")
@require_auth(scope=Scope.PROFILE_WRITE, impersonation=False)
def change_me() -> Response:
    """Set bio, website or social links. The answer is that of `GET /api/me`."""
    changes = read_body(ProfileIn).changes
    identity, account = get_caller()
    profile = in_transaction(lambda connection: change_profile(connection, account.user_id, changes))
    return _answer(identity, account._replace(**profile._asdict()))


@blueprint.get("/protected")
def protected() -> Response:
    """A personal greeting. With `session_id`, Clerk itself is asked whether that session of the caller goes on."""
    session_id = request.args.get("session_id")
    if session_id is not None:
        check_live_session(session_id)
    account = get_caller().account
    name = account.first_name or account.username or account.email or f"user {account.user_id}"
    return jsonify(message=f"Hello {name}", user_id=get_current_user_id(), session_id=session_id)


def _answer(identity: Identity, account: Account) -> Response:
    return Response(AccountOut.of(identity, account).model_dump_json(), content_type="application/json")
