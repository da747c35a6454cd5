"""The events of users and sessions, built from what the store holds at that moment."""

import sqlite3

from clerk_emulator import outbox
from clerk_emulator.context import Change
from clerk_emulator.payloads import deleted_user_payload, session_payload, user_payload


def emit_user_event(change: Change, event_type: str, user: sqlite3.Row) -> None:
    data = user_payload(change.db, user, change.emulator.url)
    outbox.emit(change, event_type, data, user_id=user["id"])


def emit_user_deleted(change: Change, user: sqlite3.Row) -> None:
    outbox.emit(change, "user.deleted", deleted_user_payload(user), user_id=user["id"])


def emit_session_event(change: Change, event_type: str, session: sqlite3.Row) -> None:
    """Session events carry the whole user, which the Backend API's sessions do not."""
    user = change.db.execute("SELECT * FROM users WHERE id = ?", (session["user_id"],)).fetchone()
    data = session_payload(session) | {"user": user_payload(change.db, user, change.emulator.url)}
    outbox.emit(change, event_type, data, user_id=user["id"])
