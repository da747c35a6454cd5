"""Webhook messages: written with the change they tell of, then tried until an endpoint takes them."""

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import not_found
from clerk_emulator.ids import new_id

# Seconds before each attempt. Svix makes eight as well, but over 27 hours, which nobody at a laptop waits for.
SCHEDULE = (0, 1, 2, 5, 10, 30, 60, 300)

_SUCCESS = 2  # the class of the 2xx codes
_LISTED = "id, type, subject_id, status, attempts, last_response_code, created_at"


@dataclass(frozen=True)
class Message:
    id: str
    type: str
    user_id: str
    body: str = field(repr=False)
    attempts: int


def emit(change: Change, event_type: str, data: dict[str, Any], *, user_id: str) -> None:
    """Queue one event. Events of the same user are sent one at a time, in this order while all goes well."""
    now = now_ms()
    envelope = {
        "data": data,
        "event_attributes": {"http_request": {"client_ip": change.client_ip, "user_agent": change.user_agent}},
        "instance_id": change.emulator.instance.id,
        "object": "event",
        "timestamp": now,
        "type": event_type,
    }
    change.db.execute(
        "INSERT INTO messages (id, type, subject_id, user_id, body, next_attempt_at, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (new_id("msg"), event_type, data["id"], user_id, json.dumps(envelope), now, now),
    )


def due(db: sqlite3.Connection, now: int, limit: int) -> list[Message]:
    rows = db.execute(
        "SELECT id, type, user_id, body, attempts FROM messages"
        " WHERE status = 'pending' AND next_attempt_at <= ? ORDER BY sequence LIMIT ?",
        (now, limit),
    )
    return [Message(**row) for row in rows]


def next_attempt_at(db: sqlite3.Connection, now: int) -> int | None:
    """Tell when the first message that is not due yet will be."""
    row = db.execute(
        "SELECT min(next_attempt_at) AS at FROM messages WHERE status = 'pending' AND next_attempt_at > ?", (now,)
    ).fetchone()
    at: int | None = row["at"]
    return at


def record_attempt(db: sqlite3.Connection, message: Message, response_code: int | None) -> str:
    """Note how an attempt ended (None: nobody answered); return what the message now is."""
    attempts = message.attempts + 1
    next_at = now_ms()
    if response_code is not None and response_code // 100 == _SUCCESS:
        status = "delivered"
    elif attempts == len(SCHEDULE):
        status = "failed"
    else:
        status = "pending"
        next_at += 1000 * SCHEDULE[attempts]
    db.execute(
        "UPDATE messages SET status = ?, attempts = ?, last_response_code = ?, next_attempt_at = ? WHERE id = ?",
        (status, attempts, response_code, next_at, message.id),
    )
    return status


def recent(db: sqlite3.Connection, limit: int) -> list[dict[str, Any]]:
    """List the newest messages, newest first."""
    rows = db.execute(f"SELECT {_LISTED} FROM messages ORDER BY sequence DESC LIMIT ?", (limit,))  # noqa: S608
    return [dict(row) for row in rows]


def replay(db: sqlite3.Connection, message_id: str) -> dict[str, Any]:
    """Send a message again, whatever became of it, under its own id and with the whole schedule ahead."""
    row = db.execute(
        "UPDATE messages SET status = 'pending', attempts = 0, next_attempt_at = ? WHERE id = ?"  # noqa: S608
        f" RETURNING {_LISTED}",
        (now_ms(), message_id),
    ).fetchone()
    if row is None:
        raise not_found("message", message_id)
    return dict(row)
