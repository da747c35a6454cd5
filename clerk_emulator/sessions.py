"""What happens to sessions, and the events it sends."""

import sqlite3
from http import HTTPStatus
from typing import Literal

from clerk_emulator import organizations, store, tokens, users
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, not_found
from clerk_emulator.events import emit_session_event
from clerk_emulator.ids import new_id
from clerk_emulator.instance import Instance

# How a session can be closed: by its end, by signing out of the browser, by the application.
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
        raise not_active()
    return session


def not_active() -> ClerkError:
    return ClerkError(
        HTTPStatus.UNAUTHORIZED,
        "authentication_invalid",
        "Invalid authentication",
        "Unable to authenticate the request, you need to supply an active session",
    )


def expire_overdue(db: sqlite3.Connection) -> None:
    """Mark the sessions whose time is over. Clerk sends no event for that."""
    db.execute("UPDATE sessions SET status = 'expired' WHERE status = 'active' AND expire_at <= ?", (now_ms(),))


def create(
    change: Change,
    user: sqlite3.Row,
    *,
    client_id: str | None = None,
    actor: str | None = None,
    lifetime: int | None = None,
    organization_id: str | None = None,
) -> sqlite3.Row:
    """Sign the user in, on a new client if none is named.

    `actor` is the JSON of who acts as the user; `lifetime` is in seconds; `organization_id` is of one they belong to.
    """
    refuse_if_kept_out(user)
    if organization_id:
        organizations.refuse_stranger(change.db, organization_id, user["id"])
    now = now_ms()
    row = {
        "id": new_id("sess"),
        "user_id": user["id"],
        "client_id": client_id or new_id("client"),
        "status": "active",
        "last_active_at": now,
        "expire_at": now + (_LIFETIME if lifetime is None else lifetime * 1000),
        "abandon_at": now + _ABANDONED_AFTER,
        "created_at": now,
        "updated_at": now,
        "actor": actor,
        "origin": change.origin,
        "client_ip": change.client_ip,
        "user_agent": change.user_agent,
        "last_active_organization_id": organization_id,
    }
    store.insert(change.db, "sessions", row)
    session = find(change.db, row["id"])
    emit_session_event(change, "session.created", session)
    # Clerk keeps a user's last activity with the precision of a day.
    users.update(change, user, {"last_sign_in_at": now, "last_active_at": now - now % _DAY})
    return session


def touch(db: sqlite3.Connection, session: sqlite3.Row) -> None:
    """Note that somebody is there. Clerk sends no event for that."""
    store.update(db, "sessions", session["id"], {"last_active_at": now_ms()})


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


def close_all(change: Change, user_id: str, how: Closing, *, but: str | None = None) -> None:
    """End every active session of a user, `but` the one of that id."""
    for session in of_user(change.db, user_id):
        if session["id"] != but:
            close(change, session, how)


def of_user(db: sqlite3.Connection, user_id: str) -> list[sqlite3.Row]:
    """List a user's active sessions on all browsers, oldest first."""
    expire_overdue(db)
    return db.execute(
        "SELECT * FROM sessions WHERE user_id = ? AND status = 'active' ORDER BY created_at, id", (user_id,)
    ).fetchall()


def refuse_if_kept_out(user: sqlite3.Row) -> None:
    if user["banned"]:
        raise ClerkError(
            HTTPStatus.FORBIDDEN,
            "user_banned",
            "User banned",
            "You have been banned. If you think this was by mistake, please contact support.",
        )
    if user["deprovisioned"]:
        message = "Your account was deprovisioned by your organization's directory."
        raise ClerkError(HTTPStatus.FORBIDDEN, "user_deprovisioned", "User deprovisioned", message)
    if user["locked"]:
        raise ClerkError(
            HTTPStatus.FORBIDDEN,
            "user_locked",
            "Your account is locked",
            "Your account is locked. Unlock it through the Backend API to sign in again.",
        )


def token(
    db: sqlite3.Connection,
    instance: Instance,
    session: sqlite3.Row,
    organization_id: str | None,
    *,
    lifetime: int = tokens.DEFAULT_LIFETIME,
    origin: str | None = None,
) -> str:
    """Mint a token that says what the user is in this organization; None for none."""
    organization = organizations.claims(db, organization_id, session["user_id"])
    return tokens.session_token(instance, session, lifetime=lifetime, origin=origin, organization=organization)


def browser_token(change: Change, session: sqlite3.Row, organization_id: str | None) -> str:
    """Mint a token for the page that asks."""
    origin = origin_of(change, session)
    return token(change.db, change.emulator.instance, session, organization_id, origin=origin)


def origin_of(change: Change, session: sqlite3.Row) -> str | None:
    """Tell which page asks. A GET of the same origin does not say so: it is that of the sign-in."""
    return change.origin or session["origin"]
