"""The caller's own session."""

from flask import Blueprint
from sqlalchemy import Connection

from backend.access.policy import current_actor, get_caller
from backend.api.http.operation import operation
from backend.container import current_services, in_transaction
from backend.errors import AppError, ErrorCode
from backend.schemas.base import Nothing
from backend.services import audit
from backend.services.clerk.sessions import revoke_session

blueprint = Blueprint("sessions", __name__)


@blueprint.post("/revoke")
@operation(refuses=[ErrorCode.CLERK_UNAVAILABLE])
def revoke(body: Nothing) -> None:  # noqa: ARG001 - nothing but an empty one is taken
    """End the session that the request came with, at Clerk and here: from the answer on its tokens are refused.

    Clerk first: a session that had ended only here could not be sent again to be ended at Clerk.
    """
    identity = get_caller()
    session_id = identity.session_id
    if session_id is None:
        raise AppError(ErrorCode.FORBIDDEN, "The token belongs to no session.")
    current_services().live_sessions.revoke(session_id, identity.clerk_user_id or "")
    actor = current_actor()

    def end_here(connection: Connection) -> None:
        revoke_session(connection, session_id)
        audit.record(connection, actor, audit.Action.SESSION_REVOKED, identity.user_id, session_id=session_id)

    in_transaction(end_here)
