"""Who am I, what I say of myself, and what Clerk said of me."""

from dataclasses import replace

from flask import Blueprint
from sqlalchemy import Connection

from backend.access.policy import current_access, get_account, get_caller, get_current_user_id, require_auth
from backend.api.http.operation import operation
from backend.errors import ErrorCode
from backend.models.roles_plans_scopes import Scope
from backend.schemas.account import AccountOut, Greeting, GreetingQuery
from backend.schemas.profile import ProfileIn
from backend.schemas.webhook import EventsOut
from backend.services.clerk.webhooks.ledger import read_newest
from backend.services.users.profile import change_profile

__all__ = ["blueprint", "get_current_user_id"]

blueprint = Blueprint("auth", __name__)


@blueprint.get("/auth/me")
@blueprint.get("/api/me")
@operation(AccountOut)
def me() -> AccountOut:
    """The caller: user, subscription, usage of this month, session."""
    return AccountOut.of(get_caller())


@blueprint.patch("/api/me")
@require_auth(scope=Scope.PROFILE_WRITE, impersonation=False)
@operation(AccountOut)
def change_me(connection: Connection, body: ProfileIn) -> AccountOut:
    """Set bio, website or social links. The answer is that of `GET /api/me`."""
    profile = change_profile(connection, get_current_user_id(), body.changes)
    changed = get_account()._replace(**profile._asdict())
    return AccountOut.of(replace(get_caller(), account=changed))


@blueprint.get("/api/me/events")
@operation(EventsOut)
def my_events(connection: Connection) -> dict[str, object]:
    """Clerk's webhook events about the caller, newest first: what came, and what became of it."""
    return {"data": read_newest(connection, get_caller().clerk_user_id)}


@blueprint.get("/protected")
@operation(Greeting, refuses=[ErrorCode.CLERK_UNAVAILABLE])
def protected(query: GreetingQuery) -> Greeting:
    """A personal greeting. With `session_id`, the session that the token belongs to, Clerk is asked if it goes on."""
    if query.session_id is not None:
        current_access().check_live_session(query.session_id)
    account = get_account()
    profile = account.profile
    name = profile.first_name or profile.username or profile.email or f"user {account.user_id}"
    return Greeting(message=f"Hello {name}", user_id=account.user_id, session_id=query.session_id)
