"""Sign-in and actor tokens: good for one sign-in of the user they name."""

import json
import sqlite3
from http import HTTPStatus
from typing import Any, Literal

from clerk_emulator import store, tokens, users
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, not_found
from clerk_emulator.ids import new_id

Kind = Literal["sign_in_token", "actor_token"]

_ID_PREFIXES: dict[Kind, str] = {"sign_in_token": "sit", "actor_token": "act"}
_NAMES: dict[Kind, str] = {"sign_in_token": "Sign in token", "actor_token": "Actor token"}


def create(
    change: Change,
    user: sqlite3.Row,
    lifetime: int,
    *,
    actor: dict[str, Any] | None = None,
    session_lifetime: int | None = None,
) -> sqlite3.Row:
    """Make a ticket, of an actor if one is named; lifetimes are in seconds."""
    kind: Kind = "actor_token" if actor else "sign_in_token"
    ticket_id = new_id(_ID_PREFIXES[kind])
    now = now_ms()
    expire_at = now + lifetime * 1000
    row = {
        "id": ticket_id,
        "token": tokens.ticket(change.emulator.instance, ticket_id, kind, expire_at // 1000),
        "user_id": user["id"],
        "actor": json.dumps(actor) if actor else None,
        "session_lifetime": session_lifetime,
        "status": "pending",
        "expire_at": expire_at,
        "created_at": now,
        "updated_at": now,
    }
    store.insert(change.db, "tickets", row)
    return _find(change.db, ticket_id, kind)


def revoke(db: sqlite3.Connection, ticket_id: str, kind: Kind) -> sqlite3.Row:
    """Take a ticket back that nobody used yet."""
    ticket = _find(db, ticket_id, kind)
    if ticket["status"] != "pending":
        raise ClerkError(
            HTTPStatus.BAD_REQUEST,
            f"{kind}_cannot_be_revoked_code",
            "cannot revoke",
            f"{_NAMES[kind]} cannot be revoked because its status is {ticket['status']}."
            " Only pending tokens can be revoked.",
        )
    store.update(db, "tickets", ticket_id, {"status": "revoked", "updated_at": now_ms()})
    return _find(db, ticket_id, kind)


def redeem(db: sqlite3.Connection, token: str) -> tuple[sqlite3.Row, sqlite3.Row]:
    """Use a ticket up; return it and its user. Raises ClerkError when it is unknown, used, revoked or too old."""
    ticket = db.execute("SELECT * FROM tickets WHERE token = ?", (token,)).fetchone()
    if ticket is None:
        raise _refusal("ticket_invalid_code", "The ticket is invalid.")
    kind = kind_of(ticket)
    if ticket["status"] == "accepted":
        raise _refusal(f"{kind}_already_used_code", "This ticket has already been used.")
    if ticket["status"] == "revoked":
        raise _refusal(f"{kind}_revoked_code", "This ticket has been revoked.")
    if ticket["expire_at"] <= now_ms():
        raise _refusal("ticket_expired_code", "This ticket has expired.")
    store.update(db, "tickets", ticket["id"], {"status": "accepted", "updated_at": now_ms()})
    return ticket, users.find(db, ticket["user_id"])


def kind_of(ticket: sqlite3.Row) -> Kind:
    return "actor_token" if ticket["actor"] else "sign_in_token"


def _find(db: sqlite3.Connection, ticket_id: str, kind: Kind) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM tickets WHERE id = ?", (ticket_id,)).fetchone()
    if row is None or kind_of(row) != kind:
        raise not_found(kind.replace("_", " "), ticket_id)
    return row


def _refusal(code: str, message: str) -> ClerkError:
    return ClerkError(HTTPStatus.BAD_REQUEST, code, message, message)
