"""`/v1/dev_browser` and `/v1/client`: the browser itself."""

from flask import Blueprint, Response, jsonify

from clerk_emulator import clients, sessions
from clerk_emulator.context import begin_change
from clerk_emulator.frontend_api.answers import answer
from clerk_emulator.frontend_api.identity import find_client, require_client
from clerk_emulator.frontend_api.payloads import client_payload

blueprint = Blueprint("clients", __name__)


@blueprint.post("/dev_browser")
def create_dev_browser() -> Response:
    with begin_change() as change:
        return jsonify(object="dev_browser", id=clients.create(change.db)["token"])


@blueprint.get("/client")
def get_client() -> Response:
    with begin_change() as change:
        client = find_client(change.db)
        payload = client_payload(change, client) if client else None
        return answer(payload, client=payload)


@blueprint.put("/client")
def create_client() -> Response:
    with begin_change() as change:
        client = require_client(change.db)
        payload = client_payload(change, client)
        return answer(payload, client=payload)


@blueprint.delete("/client")
@blueprint.delete("/client/sessions")
def sign_out_everybody() -> Response:
    """Sign out everybody who is signed in on this browser."""
    with begin_change() as change:
        client = require_client(change.db)
        for session in clients.active_sessions(change.db, client):
            sessions.close(change, session, "removed")
        payload = client_payload(change, client)
        return answer(payload, client=payload)
