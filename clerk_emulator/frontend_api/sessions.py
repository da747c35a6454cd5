"""`/v1/client/sessions`: tokens of one session, and its end."""

import sqlite3

from flask import Blueprint, Response, jsonify

from clerk_emulator import clients, organizations, sessions, tokens
from clerk_emulator.context import Change, begin_change
from clerk_emulator.frontend_api.answers import answer_change
from clerk_emulator.frontend_api.forms import Form, read_form
from clerk_emulator.frontend_api.identity import find_client, require_client
from clerk_emulator.frontend_api.payloads import session_payload

blueprint = Blueprint("sessions", __name__, url_prefix="/client/sessions/<session_id>")


class TouchForm(Form):
    active_organization_id: str | None = None


class TokenForm(Form):
    organization_id: str | None = None


@blueprint.get("")
def get_session(session_id: str) -> Response:
    with begin_change() as change:
        session = clients.find_session(change.db, require_client(change.db), session_id)
        return answer_change(change, session_payload(change, session))


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
        return answer_change(change, session_payload(change, sessions.find(change.db, session_id)), client["id"])


@blueprint.post("/tokens")
def create_token(session_id: str) -> Response:
    """Mint a token for the organization that is named, for two tabs may be in two; else for the session's own."""
    form = read_form(TokenForm)
    with begin_change() as change:
        _, session = _find_active(change, session_id)
        organization_id = session["last_active_organization_id"]
        if "organization_id" in form.model_fields_set and form.organization_id != organization_id:
            organization_id = form.organization_id
            if organization_id:
                organizations.refuse_stranger(change.db, organization_id, session["user_id"])
        return jsonify(object="token", jwt=sessions.browser_token(change, session, organization_id))


@blueprint.post("/tokens/<template>")
def create_template_token(session_id: str, template: str) -> Response:  # noqa: ARG001 - every template exists
    with begin_change() as change:
        _, session = _find_active(change, session_id)
        origin = sessions.origin_of(change, session)
        jwt = tokens.template_token(change.emulator.instance, session, origin=origin)
        return jsonify(object="token", jwt=jwt)


@blueprint.post("/end")
def end_session(session_id: str) -> Response:
    return _close(session_id, "ended")


@blueprint.post("/remove")
def remove_session(session_id: str) -> Response:
    return _close(session_id, "removed")


def _find_active(change: Change, session_id: str) -> tuple[sqlite3.Row, sqlite3.Row]:
    """Find an active session of this browser. Of any other the SDK learns by a 401 that its state is out of date."""
    client = find_client(change.db)
    for session in clients.active_sessions(change.db, client) if client else []:
        if client and session["id"] == session_id:
            return client, session
    raise sessions.not_active()


def _close(session_id: str, how: sessions.Closing) -> Response:
    with begin_change() as change:
        client = require_client(change.db)
        session = sessions.close(change, clients.find_session(change.db, client, session_id), how)
        return answer_change(change, session_payload(change, session), client["id"])
