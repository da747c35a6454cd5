"""The audit trail: who changed what. Written in the transaction of the change it tells of."""

import json
from enum import StrEnum
from typing import Literal, NamedTuple

from sqlalchemy import Connection, text


class Action(StrEnum):
    """What can be told of, as object.verb."""

    USER_ROLE_CHANGED = "user.role_changed"
    USER_PLAN_CHANGED = "user.plan_changed"
    USER_ACTIVATED = "user.activated"
    USER_DEACTIVATED = "user.deactivated"
    USER_BANNED = "user.banned"
    USER_UNBANNED = "user.unbanned"
    USER_LINKED = "user.linked"
    USER_LINK_REFUSED = "user.link_refused"
    API_KEY_CREATED = "api_key.created"
    API_KEY_ROTATED = "api_key.rotated"
    API_KEY_REVOKED = "api_key.revoked"
    SESSION_REVOKED = "session.revoked"
    SESSION_IMPERSONATED = "session.impersonated"


class Actor(NamedTuple):
    """Who does it: a user through the API, an operator on the server (cli), or Clerk (sync)."""

    source: Literal["api", "cli", "sync"]
    user_id: int | None = None
    impersonator: str | None = None
    request_id: str | None = None


CLI = Actor("cli")
SYNC = Actor("sync")

INSERT = text("""
INSERT INTO audit_events (action, source, actor_user_id, impersonator, subject_user_id, request_id, details)
VALUES (:action, :source, :user_id, :impersonator, :subject_user_id, :request_id, CAST(:details AS jsonb))
ON CONFLICT DO NOTHING
""")


def record(
    connection: Connection, actor: Actor, action: Action, subject_user_id: int | None, **details: object
) -> None:
    """Note an action. `details`: ids, old and new values, reasons; nothing personal, they are never erased."""
    connection.execute(
        INSERT,
        actor._asdict()
        | {"action": action, "subject_user_id": subject_user_id, "details": json.dumps(details)},
    )
