"""Routes that Clerk does not have: what became of the webhooks, and what a browser or Clerk's dashboard would do."""

import re
from dataclasses import asdict
from typing import Annotated

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from clerk_emulator import bulk_seed, clock, outbox, reset, roles, seeds, sessions
from clerk_emulator.backend_api.authorization import require_secret_key
from clerk_emulator.backend_api.bodies import Body, read_body
from clerk_emulator.backend_api.sessions import NewSessionBody, start_session
from clerk_emulator.backend_api.tickets import Actor
from clerk_emulator.context import begin_change, current_emulator
from clerk_emulator.errors import invalid_parameter
from clerk_emulator.faults import FaultSettings
from clerk_emulator.fields import ShortText, parse
from clerk_emulator.payloads import session_payload

blueprint = Blueprint("emulator", __name__)
blueprint.before_request(require_secret_key)

_ROLE_KEY = re.compile(r"org:[a-z0-9_]{1,64}")

_Permission = Annotated[str, StringConstraints(pattern=r"^org:[a-z0-9_]{1,64}:[a-z0-9_]{1,64}$")]


class ActingSessionBody(NewSessionBody):
    actor: Actor | None = None


class RoleBody(Body):
    name: ShortText | None = None
    permissions: list[_Permission] = Field(max_length=100)


class BulkSeedBody(Body):
    number: int = Field(default=1, ge=0, le=999)
    users: int = Field(ge=1, le=1_000_000)
    organizations: int = Field(default=0, ge=0, le=100_000)
    memberships: int = Field(default=0, ge=0, le=1_000_000)
    webhooks: bool = True


class ResetBody(Body):
    webhooks: bool = True


class MessagesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    status: outbox.Status | None = None
    limit: int = Field(100, ge=1, le=10_000)


class ReplayBody(Body):
    failed: bool = False
    type: ShortText | None = None
    since: int = Field(0, ge=0, le=10**15)


class ClockBody(Body):
    offset_seconds: int = Field(ge=-clock.MAX_OFFSET, le=clock.MAX_OFFSET)


@blueprint.get("/messages")
def list_messages() -> Response:
    query = parse(MessagesQuery, request.args.to_dict())
    with current_emulator().store.transaction() as db:
        return jsonify(outbox.recent(db, query.limit, query.status))


@blueprint.post("/messages/<message_id>/replay")
def replay_message(message_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return jsonify(outbox.replay(db, message_id))


@blueprint.post("/messages/replay")
def replay_messages() -> Response:
    body = read_body(ReplayBody)
    with current_emulator().store.transaction() as db:
        replayed = outbox.replay_all(db, failed=body.failed, event_type=body.type, since=body.since)
    return jsonify(replayed=replayed)


@blueprint.get("/faults")
def get_faults() -> Response:
    return jsonify(current_emulator().faults.settings.model_dump())


@blueprint.put("/faults")
def set_faults() -> Response:
    """What is not named is off; the sequence that the seed stands for begins anew."""
    current_emulator().faults.set(read_body(FaultSettings))
    return get_faults()


@blueprint.get("/clock")
def get_clock() -> Response:
    return jsonify(offset_seconds=clock.offset(), now=clock.now_ms())


@blueprint.put("/clock")
def set_clock() -> Response:
    clock.shift(read_body(ClockBody).offset_seconds)
    return get_clock()


@blueprint.post("/sessions")
def create_session() -> Response:
    """Sign in as a browser would that redeems an actor token, and then chooses an organization."""
    body = read_body(ActingSessionBody)
    with begin_change() as change:
        session = start_session(change, body.user_id, body.active_organization_id, body.actor)
        return jsonify(session_payload(session))


@blueprint.post("/sessions/<session_id>/end")
def end_session(session_id: str) -> Response:
    return _close(session_id, "ended")


@blueprint.post("/sessions/<session_id>/remove")
def remove_session(session_id: str) -> Response:
    return _close(session_id, "removed")


@blueprint.get("/roles")
def list_roles() -> Response:
    with current_emulator().store.transaction() as db:
        return jsonify([asdict(role) for role in roles.find_all(db)])


@blueprint.put("/roles/<key>")
def define_role(key: str) -> Response:
    if not _ROLE_KEY.fullmatch(key):
        raise invalid_parameter(
            "key", "form_param_format_invalid", "is invalid", "A role's key is org: and small letters, digits or _."
        )
    body = read_body(RoleBody)
    with begin_change() as change:
        return jsonify(asdict(roles.define(change, key, body.name, body.permissions)))


@blueprint.post("/seed")
def plant_seeds() -> Response:
    return jsonify(planted=seeds.plant(current_emulator()), password=seeds.PASSWORD)


@blueprint.post("/bulk_seed")
def plant_bulk_seed() -> Response:
    body = read_body(BulkSeedBody)
    if body.memberships > body.users * body.organizations:
        message = "There are more memberships than users can have in these organizations."
        raise invalid_parameter("memberships", "form_param_value_too_large", "Value too large", message)
    counts = body.model_dump(include={"users", "organizations", "memberships"})
    return jsonify(bulk_seed.plant(current_emulator(), body.number, counts, tell=body.webhooks))


@blueprint.post("/reset")
def reset_instance() -> Response:
    tell = read_body(ResetBody).webhooks
    with begin_change() as change:
        return jsonify(forgotten_users=reset.forget_everything(change, tell=tell))


def _close(session_id: str, how: sessions.Closing) -> Response:
    with begin_change() as change:
        return jsonify(session_payload(sessions.close(change, sessions.find(change.db, session_id), how)))
