"""`/v1/sessions`."""

import json
import sqlite3
from typing import Any

from flask import Blueprint, Response, jsonify, request

from clerk_emulator import clients, sessions, tokens, users
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.backend_api.pages import invalid_value, read_limit, read_offset, refuse_unknown
from clerk_emulator.context import Change, begin_change, current_emulator
from clerk_emulator.errors import invalid_parameter
from clerk_emulator.fields import TokenLifetime
from clerk_emulator.payloads import session_payload

blueprint = Blueprint("sessions", __name__, url_prefix="/sessions")

_FILTERS = ("client_id", "user_id", "status")
_PARAMETERS = frozenset({*_FILTERS, "limit", "offset", "paginated"})
_STATUSES = frozenset({"active", "revoked", "ended", "expired", "removed", "abandoned", "replaced", "pending"})


class NewSessionBody(Body):
    user_id: str
    active_organization_id: str | None = None


class TokenBody(Body):
    expires_in_seconds: TokenLifetime | None = None

    @property
    def lifetime(self) -> int:
        return self.expires_in_seconds or tokens.DEFAULT_LIFETIME


@blueprint.post("")
def create_session() -> Response:
    body = read_body(NewSessionBody)
    with begin_change() as change:
        return jsonify(session_payload(start_session(change, body.user_id, body.active_organization_id)))


@blueprint.get("")
def list_sessions() -> Response:
    """List sessions; `paginated=true`, which the JavaScript SDK sends, wraps the page with the total count."""
    filters = _read_filters()
    with current_emulator().store.transaction() as db:
        sessions.expire_overdue(db)
        page, total = _select(db, filters)
    payload = [session_payload(session) for session in page]
    if request.args.get("paginated") == "true":
        return jsonify(data=payload, total_count=total)
    return jsonify(payload)


@blueprint.get("/<session_id>")
def get_session(session_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return jsonify(session_payload(sessions.find(db, session_id)))


@blueprint.post("/<session_id>/revoke")
def revoke_session(session_id: str) -> Response:
    with begin_change() as change:
        session = sessions.find(change.db, session_id)
        return jsonify(session_payload(sessions.close(change, session, "revoked")))


@blueprint.post("/<session_id>/tokens")
def create_token(session_id: str) -> Response:
    lifetime = read_body(TokenBody).lifetime
    emulator = current_emulator()
    with emulator.store.transaction() as db:
        session = sessions.find_active(db, session_id)
        jwt = sessions.token(db, emulator.instance, session, session["last_active_organization_id"], lifetime=lifetime)
    return jsonify(object="token", jwt=jwt)


@blueprint.post("/<session_id>/tokens/<template>")
def create_template_token(session_id: str, template: str) -> Response:  # noqa: ARG001 - every template exists
    lifetime = read_body(TokenBody).lifetime
    emulator = current_emulator()
    with emulator.store.transaction() as db:
        session = sessions.find_active(db, session_id)
    return jsonify(object="token", jwt=tokens.template_token(emulator.instance, session, lifetime=lifetime))


def start_session(
    change: Change, user_id: str, organization_id: str | None, actor: dict[str, Any] | None = None
) -> sqlite3.Row:
    """Sign a user in where no browser is, as the only one on a client of its own."""
    user = users.find(change.db, user_id)
    client = clients.create(change.db)
    session = sessions.create(
        change,
        user,
        client_id=client["id"],
        actor=json.dumps(actor) if actor else None,
        organization_id=organization_id,
    )
    clients.update(change.db, client, last_active_session_id=session["id"])
    return session


def _read_filters() -> dict[str, str]:
    refuse_unknown(_PARAMETERS)
    filters = {name: request.args[name] for name in _FILTERS if name in request.args}
    if not filters.keys() & {"client_id", "user_id"}:
        raise invalid_parameter(
            "user_id", "form_param_missing", "is missing", "One of client_id and user_id must be included."
        )
    if filters.get("status", "active") not in _STATUSES:
        raise invalid_value("status")
    return filters


def _select(db: sqlite3.Connection, filters: dict[str, str]) -> tuple[list[sqlite3.Row], int]:
    """Read one page of the matching sessions, newest first, and the number of all."""
    where = " AND ".join(f"{name} = :{name}" for name in filters)
    total: int = db.execute(f"SELECT count(*) FROM sessions WHERE {where}", filters).fetchone()[0]  # noqa: S608
    page = db.execute(
        f"SELECT * FROM sessions WHERE {where} ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :offset",  # noqa: S608
        {**filters, "limit": read_limit(), "offset": read_offset()},
    ).fetchall()
    return page, total
