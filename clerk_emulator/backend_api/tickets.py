"""`/v1/sign_in_tokens` and `/v1/actor_tokens`."""

import json
import sqlite3
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify
from pydantic import AfterValidator, Field

from clerk_emulator import tickets, users
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.context import begin_change, current_emulator
from clerk_emulator.fields import Metadata

blueprint = Blueprint("tickets", __name__)

_MONTH = 30 * 24 * 60 * 60
_HOUR = 60 * 60
_HALF_HOUR = 30 * 60


def _with_subject(actor: dict[str, Any]) -> dict[str, Any]:
    subject = actor.get("sub")
    if not isinstance(subject, str) or not subject:
        raise ValueError("must have a sub")
    return actor


Actor = Annotated[Metadata, AfterValidator(_with_subject)]
_Seconds = Annotated[int, Field(ge=1, le=315_360_000)]


class SignInTokenBody(Body):
    user_id: str
    expires_in_seconds: _Seconds | None = None


class ActorTokenBody(Body):
    user_id: str
    actor: Actor
    expires_in_seconds: _Seconds | None = None
    session_max_duration_in_seconds: _Seconds | None = None


@blueprint.post("/sign_in_tokens")
def create_sign_in_token() -> Response:
    body = read_body(SignInTokenBody)
    with begin_change() as change:
        user = users.find(change.db, body.user_id)
        ticket = tickets.create(change, user, body.expires_in_seconds or _MONTH)
    return jsonify(_payload(ticket) | {"token": ticket["token"]})


@blueprint.post("/actor_tokens")
def create_actor_token() -> Response:
    body = read_body(ActorTokenBody)
    with begin_change() as change:
        ticket = tickets.create(
            change,
            users.find(change.db, body.user_id),
            body.expires_in_seconds or _HOUR,
            actor=body.actor,
            session_lifetime=body.session_max_duration_in_seconds or _HALF_HOUR,
        )
    return jsonify(_payload(ticket) | {"token": ticket["token"]})


@blueprint.post("/sign_in_tokens/<ticket_id>/revoke")
def revoke_sign_in_token(ticket_id: str) -> Response:
    return _revoke(ticket_id, "sign_in_token")


@blueprint.post("/actor_tokens/<ticket_id>/revoke")
def revoke_actor_token(ticket_id: str) -> Response:
    return _revoke(ticket_id, "actor_token")


def _revoke(ticket_id: str, kind: tickets.Kind) -> Response:
    with current_emulator().store.transaction() as db:
        return jsonify(_payload(tickets.revoke(db, ticket_id, kind)))


def _payload(ticket: sqlite3.Row) -> dict[str, Any]:
    payload = {
        "object": tickets.kind_of(ticket),
        "id": ticket["id"],
        "status": ticket["status"],
        "user_id": ticket["user_id"],
        "created_at": ticket["created_at"],
        "updated_at": ticket["updated_at"],
    }
    # There is no page of the emulator's to sign in on: add ?__clerk_ticket=TOKEN to the application's.
    return payload | ({"actor": json.loads(ticket["actor"])} if ticket["actor"] else {"url": None})
