"""What happens to sessions, and the events it sends."""

import sqlite3
from http import HTTPStatus
from typing import Literal

from clerk_emulator import users
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, not_found
from clerk_emulator.events import emit_session_event
from clerk_emulator.ids import new_id

# How a session can be closed: signed out and kept on its client, signed out and gone, ended by the application.
Closing = Literal["ended", "removed", "revoked"]

_DAY = 24 * 60 * 60 * 1000
_LIFETIME = 7 * _DAY
_ABANDONED_AFTER = 30 * _DAY


def find(db: sqlite3.Connection, session_id: str) -> sqlite3.Row:
    expire_overdue(db)
    row: sqlite3.Row | None = db.execute("SELECT * FROM sessions WHERE id = ?", (session_id,)).fetchone()
    if row is None:
        raise not_found("session", session_id)
    return row


def find_active(db: sqlite3.Connection, session_id: str) -> sqlite3.Row:
    """Find a session that may still get tokens."""
    session = find(db, session_id)
    if session["status"] != "active":
        raise ClerkError(
            HTTPStatus.UNAUTHORIZED,
            "authentication_invalid",
            "Invalid authentication",
            "Unable to authenticate the request, you need to supply an active session",
        )
    return session


def expire_overdue(db: sqlite3.Connection) -> None:
    """Mark the sessions whose time is over. Clerk sends no event for that."""
    db.execute(
        "UPDATE sessions SET status = 'expired' WHERE status = 'active' AND expire_at <= ?", (now_ms(),)
    )


def create(change: Change, user: sqlite3.Row) -> sqlite3.Row:
    """Sign the user in on a new client."""
    _refuse_if_kept_out(user)
    now = now_ms()
    session_id = new_id("sess")
    change.db.execute(
        "INSERT INTO sessions (id, user_id, client_id, status, last_active_at, expire_at, abandon_at,"
        " created_at, updated_at) VALUES (?, ?, ?, 'active', ?, ?, ?, ?, ?)",
        (session_id, user["id"], new_id("client"), now, now + _LIFETIME, now + _ABANDONED_AFTER, now, now),
    )
    session = find(change.db, session_id)
    emit_session_event(change, "session.created", session)
    # Clerk keeps a user's last activity with the precision of a day.
    users.update(change, user, {"last_sign_in_at": now, "last_active_at": now - now % _DAY})
    return session


def close(change: Change, session: sqlite3.Row, how: Closing) -> sqlite3.Row:
    """End an active session; one that is over already stays as it is and sends nothing."""
    if session["status"] != "active":
        return session
    change.db.execute(
        "UPDATE sessions SET status = ?, updated_at = ? WHERE id = ?",
        (how, max(now_ms(), session["updated_at"] + 1), session["id"]),
    )
    closed = find(change.db, session["id"])
    emit_session_event(change, f"session.{how}", closed)
    return closed


def close_all(change: Change, user_id: str, how: Closing) -> None:
    expire_overdue(change.db)
    active = change.db.execute(
        "SELECT * FROM sessions WHERE user_id = ? AND status = 'active' ORDER BY created_at, id", (user_id,)
    ).fetchall()
    for session in active:
        close(change, session, how)


def _refuse_if_kept_out(user: sqlite3.Row) -> None:
    if user["banned"]:
        raise ClerkError(
            HTTPStatus.FORBIDDEN,
            "user_banned",
            "User banned",
            "You have been banned. If you think this was by mistake, please contact support.",
        )
    if user["locked"]:
        raise ClerkError(
            HTTPStatus.FORBIDDEN,
            "user_locked",
            "Your account is locked",
            "Your account is locked. Unlock it through the Backend API to sign in again.",
        )
