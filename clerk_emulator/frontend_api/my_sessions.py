"""`/v1/me/sessions`: where else the user is signed in."""

from flask import Blueprint, Response, jsonify

from clerk_emulator import sessions
from clerk_emulator.context import begin_change
from clerk_emulator.errors import not_found
from clerk_emulator.frontend_api.answers import answer_change
from clerk_emulator.frontend_api.identity import require_user
from clerk_emulator.payloads import session_payload

blueprint = Blueprint("my_sessions", __name__, url_prefix="/me/sessions")


@blueprint.get("")
@blueprint.get("/active")
def list_sessions() -> Response:
    """List the active sessions in a bare array, which is what the SDK reads here."""
    with begin_change() as change:
        found = sessions.of_user(change.db, require_user(change.db)["id"])
        return jsonify([session_payload(session) for session in found])


@blueprint.post("/<session_id>/revoke")
def revoke_session(session_id: str) -> Response:
    with begin_change() as change:
        user = require_user(change.db)
        session = sessions.find(change.db, session_id)
        if session["user_id"] != user["id"]:
            raise not_found("session", session_id)
        return answer_change(change, session_payload(sessions.close(change, session, "revoked")))
