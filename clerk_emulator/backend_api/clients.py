"""`/v1/clients`: the browsers."""

import sqlite3
from typing import Any

from flask import Blueprint, Response, jsonify

from clerk_emulator import clients, sessions
from clerk_emulator.context import current_emulator
from clerk_emulator.payloads import session_payload

blueprint = Blueprint("clients", __name__, url_prefix="/clients")


@blueprint.get("/<client_id>")
def get_client(client_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return jsonify(_payload(db, clients.find(db, client_id)))


def _payload(db: sqlite3.Connection, client: sqlite3.Row) -> dict[str, Any]:
    sessions.expire_overdue(db)
    rows = db.execute("SELECT * FROM sessions WHERE client_id = ? ORDER BY created_at, rowid", (client["id"],))
    payloads = [session_payload(row) for row in rows]
    return {
        "object": "client",
        "id": client["id"],
        "session_ids": [session["id"] for session in payloads],
        "sessions": payloads,
        "sign_in_id": client["sign_in_id"],
        "sign_up_id": client["sign_up_id"],
        "last_active_session_id": client["last_active_session_id"],
        "last_authentication_strategy": client["last_strategy"],
        "created_at": client["created_at"],
        "updated_at": client["updated_at"],
    }
