"""Routes that Clerk does not have: what became of the webhooks, and what a browser would do to a session."""

from flask import Blueprint, Response, jsonify

from clerk_emulator import outbox, sessions
from clerk_emulator.backend_api.authorization import require_secret_key
from clerk_emulator.context import begin_change, current_emulator
from clerk_emulator.payloads import session_payload

blueprint = Blueprint("emulator", __name__)
blueprint.before_request(require_secret_key)

_LISTED_MESSAGES = 100


@blueprint.get("/messages")
def list_messages() -> Response:
    with current_emulator().store.transaction() as db:
        return jsonify(outbox.recent(db, _LISTED_MESSAGES))


@blueprint.post("/messages/<message_id>/replay")
def replay_message(message_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return jsonify(outbox.replay(db, message_id))


@blueprint.post("/sessions/<session_id>/end")
def end_session(session_id: str) -> Response:
    return _close(session_id, "ended")


@blueprint.post("/sessions/<session_id>/remove")
def remove_session(session_id: str) -> Response:
    return _close(session_id, "removed")


def _close(session_id: str, how: sessions.Closing) -> Response:
    with begin_change() as change:
        return jsonify(session_payload(sessions.close(change, sessions.find(change.db, session_id), how)))
