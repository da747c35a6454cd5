"""Webhook messages: written with the change they tell of, then tried until an endpoint takes them."""

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from clerk_emulator.clock import now_ms, real_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import not_found
from clerk_emulator.ids import new_id
from clerk_emulator.store import insert, update

# Seconds before each attempt; the last is repeated for ever. Svix begins with 0 and 5 and goes up to 10 hours, which
# nobody at a laptop waits for, and gives up after eight.
SCHEDULE = (0, 1, 2, 5, 10, 30, 60, 300)

_SUCCESS = 2  # the class of the 2xx codes
_FAILED = f"status = 'pending' AND attempts > 0 AND ifnull(last_response_code, 0) / 100 <> {_SUCCESS}"
_AGAIN = "status = 'pending', attempts = 0, next_attempt_at = ?"
_LISTED = "id, type, subject_id, status, attempts, last_response_code, created_at"

Status = Literal["pending", "delivered", "dropped"]


@dataclass(frozen=True)
class Message:
    id: str
    type: str
    user_id: str
    body: str = field(repr=False)
    attempts: int
    is_doubled: int


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
    fate = change.emulator.faults.message_fate()
    row = {
        "id": new_id("msg"),
        "type": event_type,
        "subject_id": data["id"],
        "user_id": user_id,
        "body": json.dumps(envelope),
        "status": "dropped" if fate.is_dropped else "pending",
        "next_attempt_at": real_ms() + fate.wait_ms,
        "created_at": now,
        "is_doubled": int(fate.is_doubled),
    }
    insert(change.db, "messages", row)


def next_due(db: sqlite3.Connection, now: int, busy: Collection[str]) -> Message | None:
    """Find what has been due for longest, apart from messages of users who are busy."""
    row = db.execute(
        "SELECT id, type, user_id, body, attempts, is_doubled FROM messages"
        " WHERE status = 'pending' AND next_attempt_at <= ? AND user_id NOT IN (SELECT value FROM json_each(?))"
        " ORDER BY next_attempt_at, sequence LIMIT 1",
        (now, json.dumps(list(busy))),
    ).fetchone()
    return Message(**row) if row else None


def next_attempt_at(db: sqlite3.Connection, now: int) -> int | None:
    """Tell when the first message that is not due yet will be."""
    row = db.execute(
        "SELECT min(next_attempt_at) AS at FROM messages WHERE status = 'pending' AND next_attempt_at > ?", (now,)
    ).fetchone()
    at: int | None = row["at"]
    return at


def record_attempt(db: sqlite3.Connection, message: Message, response_code: int | None) -> bool:
    """Note how an attempt ended (None: nobody answered); return whether the endpoint took the message."""
    attempts = message.attempts + 1
    is_taken = response_code is not None and response_code // 100 == _SUCCESS
    is_over = is_taken and not message.is_doubled
    next_at = real_ms() + 1000 * SCHEDULE[min(attempts, len(SCHEDULE) - 1)]
    columns = {
        "status": "delivered" if is_over else "pending",
        "attempts": attempts,
        "last_response_code": response_code,
        "next_attempt_at": next_at,
        "is_doubled": int(message.is_doubled and not is_taken),
    }
    update(db, "messages", message.id, columns)
    return is_taken


def recent(db: sqlite3.Connection, limit: int, status: Status | None) -> list[dict[str, Any]]:
    """List the newest messages, or the newest of one status, newest first."""
    rows = db.execute(
        f"SELECT {_LISTED} FROM messages WHERE ? IN (status, '') ORDER BY sequence DESC LIMIT ?",  # noqa: S608
        (status or "", limit),
    )
    return [dict(row) for row in rows]


def replay(db: sqlite3.Connection, message_id: str) -> dict[str, Any]:
    """Send a message again, whatever became of it, under its own id and with the whole schedule ahead."""
    row = db.execute(
        f"UPDATE messages SET {_AGAIN} WHERE id = ? RETURNING {_LISTED}",  # noqa: S608
        (real_ms(), message_id),
    ).fetchone()
    if row is None:
        raise not_found("message", message_id)
    return dict(row)


def replay_all(db: sqlite3.Connection, *, failed: bool, event_type: str | None, since: int) -> int:
    """Send messages again in their order; return how many. `failed`: only those whose last attempt was in vain."""
    chosen = f"created_at >= ? AND ? IN (type, ''){f' AND {_FAILED}' if failed else ''}"
    return db.execute(
        f"UPDATE messages SET {_AGAIN} WHERE {chosen}",  # noqa: S608
        (real_ms(), since, event_type or ""),
    ).rowcount
