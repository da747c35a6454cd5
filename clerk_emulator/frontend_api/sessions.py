"""`/v1/client/sessions`: tokens of one session, and its end."""

import sqlite3

from flask import Blueprint, Response, jsonify

from clerk_emulator import clients, organizations, sessions, tokens
from clerk_emulator.context import Change, begin_change
from clerk_emulator.frontend_api.answers import answer, answer_change
from clerk_emulator.frontend_api.forms import Form, read_form
from clerk_emulator.frontend_api.identity import require_client
from clerk_emulator.frontend_api.payloads import session_payload

blueprint = Blueprint("sessions", __name__, url_prefix="/client/sessions/<session_id>")


class TouchForm(Form):
    active_organization_id: str | None = None


@blueprint.get("")
def get_session(session_id: str) -> Response:
    with begin_change() as change:
        session = clients.find_session(change.db, require_client(change.db), session_id)
        return answer(session_payload(change, session))


@blueprint.post("/touch")
def touch_session(session_id: str) -> Response:
    """Make this the browser's active session, in the organization that is named or in none."""
    form = read_form(TouchForm)
    with begin_change() as change:
        client, session = _find_active(change, session_id)
        if "active_organization_id" in form.model_fields_set:
            organizations.activate(change.db, session, form.active_organization_id)
        sessions.touch(change.db, session)
        clients.update(change.db, client, last_active_session_id=session_id)
        return answer_change(
            change, session_payload(change, sessions.find(change.db, session_id)), client["id"]
        )


@blueprint.post("/tokens")
def create_token(session_id: str) -> Response:
    with begin_change() as change:
        _, session = _find_active(change, session_id)
        return jsonify(object="token", jwt=sessions.browser_token(change, session))


@blueprint.post("/tokens/<template>")
def create_template_token(session_id: str, template: str) -> Response:  # noqa: ARG001 - every template exists
    with begin_change() as change:
        _, session = _find_active(change, session_id)
        return jsonify(object="token", jwt=tokens.template_token(change.emulator.instance, session))


@blueprint.post("/end")
def end_session(session_id: str) -> Response:
    return _close(session_id, "ended")


@blueprint.post("/remove")
def remove_session(session_id: str) -> Response:
    return _close(session_id, "removed")


def _find_active(change: Change, session_id: str) -> tuple[sqlite3.Row, sqlite3.Row]:
    client = require_client(change.db)
    clients.find_session(change.db, client, session_id)
    return client, sessions.find_active(change.db, session_id)


def _close(session_id: str, how: sessions.Closing) -> Response:
    with begin_change() as change:
        client = require_client(change.db)
        session = sessions.close(change, clients.find_session(change.db, client, session_id), how)
        return answer_change(change, session_payload(change, session), client["id"])
