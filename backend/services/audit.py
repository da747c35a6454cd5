"""The audit trail: who changed what. Written in the transaction of the change it tells of."""

from enum import StrEnum
from typing import Literal, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from backend.models import AuditEvent


class Action(StrEnum):
    """What can be told of, as object.verb."""

    USER_ROLE_CHANGED = "user.role_changed"
    USER_PLAN_CHANGED = "user.plan_changed"
    USER_ACTIVATED = "user.activated"
    USER_DEACTIVATED = "user.deactivated"
    USER_BANNED = "user.banned"
    USER_UNBANNED = "user.unbanned"
    USER_DELETED = "user.deleted"
    USER_MERGED = "user.merged"
    USER_RESTORED = "user.restored"
    USER_RELINKED = "user.relinked"
    USER_LINKED = "user.linked"
    USER_LINK_REFUSED = "user.link_refused"
    USER_WELCOMED = "user.welcomed"
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


def record(
    connection: Connection, actor: Actor, action: Action, subject_user_id: int | None, **details: object
) -> None:
    """Note an action. `details`: ids, old and new values, reasons; nothing personal, they are never erased."""
    who = {"source": actor.source, "actor_user_id": actor.user_id, "impersonator": actor.impersonator}
    what = {"action": action, "subject_user_id": subject_user_id, "request_id": actor.request_id}
    event = insert(AuditEvent).values({**who, **what, "details": details})
    # An impersonated session is noted once, however many requests it makes.
    connection.execute(event.on_conflict_do_nothing())
