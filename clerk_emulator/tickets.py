"""Sign-in and actor tokens: good for one sign-in of the user they name."""

import sqlite3
from http import HTTPStatus

from clerk_emulator import store, users
from clerk_emulator.clock import now_ms
from clerk_emulator.errors import ClerkError


def redeem(db: sqlite3.Connection, token: str) -> tuple[sqlite3.Row, sqlite3.Row]:
    """Use a ticket up; return it and its user. Raises ClerkError when it is unknown, used, revoked or too old."""
    ticket = db.execute("SELECT * FROM tickets WHERE token = ?", (token,)).fetchone()
    if ticket is None:
        raise _refusal("ticket_invalid_code", "The ticket is invalid.")
    if ticket["status"] == "accepted":
        raise _refusal("sign_in_token_already_used_code", "This ticket has already been used.")
    if ticket["status"] == "revoked":
        raise _refusal("sign_in_token_revoked_code", "This ticket has been revoked.")
    if ticket["expire_at"] <= now_ms():
        raise _refusal("ticket_expired_code", "This ticket has expired.")
    store.update(db, "tickets", ticket["id"], {"status": "accepted", "updated_at": now_ms()})
    return ticket, users.find(db, ticket["user_id"])


def _refusal(code: str, message: str) -> ClerkError:
    return ClerkError(HTTPStatus.BAD_REQUEST, code, message, message)
