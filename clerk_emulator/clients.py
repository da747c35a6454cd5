"""Browsers: which one a request comes from, and who is signed in there."""

import sqlite3
from http import HTTPStatus

from clerk_emulator import sessions, store
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, not_found
from clerk_emulator.ids import new_id, random_base62

_TOKEN_LENGTH = 43  # 256 bits
_IDLE = 30 * 24 * 60 * 60 * 1000


def create(db: sqlite3.Connection) -> sqlite3.Row:
    """Found a client, whose `token` the browser keeps."""
    now = now_ms()
    token = f"dvb_{random_base62(_TOKEN_LENGTH)}"
    client_id = new_id("client")
    row = {"id": client_id, "token": token, "created_at": now, "updated_at": now}
    store.insert(db, "clients", row)
    return find(db, client_id)


def find(db: sqlite3.Connection, client_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM clients WHERE id = ?", (client_id,)).fetchone()
    if row is None:
        raise not_found("client", client_id)
    return row


def find_by_token(db: sqlite3.Connection, token: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM clients WHERE token = ?", (token,)).fetchone()
    return row


def update(db: sqlite3.Connection, client: sqlite3.Row, **columns: str | None) -> None:
    store.update(db, "clients", client["id"], columns | {"updated_at": now_ms()})


def active_sessions(db: sqlite3.Connection, client: sqlite3.Row) -> list[sqlite3.Row]:
    """List who is signed in, oldest session first."""
    sessions.expire_overdue(db)
    return db.execute(
        "SELECT * FROM sessions WHERE client_id = ? AND status = 'active' ORDER BY created_at, id", (client["id"],)
    ).fetchall()


def last_active(client: sqlite3.Row, active: list[sqlite3.Row]) -> sqlite3.Row | None:
    """Choose, of a browser's active sessions, the one that was used last; if that is over, the newest."""
    newest = active[-1] if active else None
    return next((session for session in active if session["id"] == client["last_active_session_id"]), newest)


def find_session(db: sqlite3.Connection, client: sqlite3.Row, session_id: str) -> sqlite3.Row:
    """Find a session of this browser, active or not; another browser's does not exist for it."""
    session = sessions.find(db, session_id)
    if session["client_id"] != client["id"]:
        raise not_found("session", session_id)
    return session


def refuse_second_session(change: Change, client: sqlite3.Row, user_id: str | None = None) -> None:
    """Refuse to sign in where somebody is signed in; with several sessions a browser, only the same user again."""
    active = active_sessions(change.db, client)
    if active and not change.emulator.multi_session:
        message = "You're currently in single session mode. You can only be signed into one account at a time."
        raise ClerkError(HTTPStatus.BAD_REQUEST, "session_exists", "Session already exists", message)
    for session in active:
        if session["user_id"] == user_id:
            message = "You're already signed in."
            raise ClerkError(
                HTTPStatus.BAD_REQUEST,
                "identifier_already_signed_in",
                message,
                message,
                session_id=session["id"],  # to which Clerk's account switcher then changes
            )


def sign_in(
    change: Change,
    client: sqlite3.Row,
    user: sqlite3.Row,
    strategy: str,
    *,
    actor: str | None = None,
    lifetime: int | None = None,
) -> sqlite3.Row:
    """Start a session of this browser and make it the active one.

    `actor` is the JSON of who acts as the user; `lifetime` is in seconds.
    """
    refuse_second_session(change, client, user["id"])
    session = sessions.create(change, user, client_id=client["id"], actor=actor, lifetime=lifetime)
    update(change.db, client, last_active_session_id=session["id"], last_strategy=strategy)
    return session


def forget_idle(db: sqlite3.Connection) -> None:
    """Forget what was begun and left, and the browsers of a month ago: every script that asks for one is another."""
    now = now_ms()
    for table in ("sign_ups", "sign_ins"):
        db.execute(f"DELETE FROM {table} WHERE abandon_at <= ?", (now,))  # noqa: S608 - our own names
    db.execute(
        "DELETE FROM clients WHERE updated_at <= ? "
        "AND id NOT IN (SELECT client_id FROM sessions WHERE status = 'active')",
        (now - _IDLE,),
    )
