"""What happens to users, and the events it sends. Callers pass values that are validated already."""

import sqlite3
from typing import Any

from clerk_emulator import store, verifications
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, invalid_parameter, not_found
from clerk_emulator.events import emit_user_event
from clerk_emulator.ids import new_id

_UNIQUE_COLUMNS = {"username": "username", "external_id": "external ID"}


def find(db: sqlite3.Connection, user_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM users WHERE id = ?", (user_id,)).fetchone()
    if row is None:
        raise not_found("user", user_id)
    return row


def create(
    change: Change, columns: dict[str, Any], email_addresses: list[str], *, verified_by: str = "admin"
) -> sqlite3.Row:
    """Create a user whose first address is the primary one; `verified_by` is the strategy that proved them all."""
    user_id = new_id("user")
    now = now_ms()
    refuse_taken_columns(change.db, columns, user_id)
    refuse_taken_addresses(change.db, email_addresses)
    emails = [(new_id("idn"), user_id, address, now, now) for address in dict.fromkeys(email_addresses)]
    row = store.with_text_metadata(columns) | {
        "id": user_id,
        "primary_email_address_id": emails[0][0] if emails else None,
        "created_at": now,
        "updated_at": now,
    }
    store.insert(change.db, "users", row)
    change.db.executemany("INSERT INTO email_addresses VALUES (?, ?, ?, ?, ?)", emails)
    for email in emails:
        verifications.confirm(change.db, email[0], verified_by)
    user = find(change.db, user_id)
    emit_user_event(change, "user.created", user)
    return user


def update(change: Change, user: sqlite3.Row, columns: dict[str, Any]) -> sqlite3.Row:
    """Write some columns and send `user.updated`; what changes nothing sends nothing."""
    stored = store.with_text_metadata(columns)
    if all(user[name] == value for name, value in stored.items()):
        return user
    refuse_taken_columns(change.db, columns, user["id"])
    _refuse_foreign_address(change.db, columns, user["id"])
    return touch(change, user, columns)


def touch(change: Change, user: sqlite3.Row, columns: dict[str, Any] | None = None) -> sqlite3.Row:
    """Send `user.updated` for a change of the user's row, or of something that belongs to it."""
    # Readers order a user's versions by updated_at, so that two changes may never share a millisecond.
    row = store.with_text_metadata(columns or {}) | {"updated_at": max(now_ms(), user["updated_at"] + 1)}
    store.update(change.db, "users", user["id"], row)
    updated = find(change.db, user["id"])
    emit_user_event(change, "user.updated", updated)
    return updated


def refuse_taken_columns(db: sqlite3.Connection, columns: dict[str, Any], user_id: str = "") -> None:
    for column, label in _UNIQUE_COLUMNS.items():
        value = columns.get(column)
        query = f"SELECT 1 FROM users WHERE {column} = ? AND id <> ?"  # noqa: S608 - our own names
        if value is not None and db.execute(query, (value, user_id)).fetchone():
            raise _taken(column, label)


def is_address_taken(db: sqlite3.Connection, address: str) -> bool:
    found = db.execute("SELECT 1 FROM email_addresses WHERE email_address = ?", (address,)).fetchone()
    return found is not None


def refuse_taken_addresses(db: sqlite3.Connection, email_addresses: list[str]) -> None:
    for address in email_addresses:
        if is_address_taken(db, address):
            raise _taken("email_address", "email address")


def _refuse_foreign_address(db: sqlite3.Connection, columns: dict[str, Any], user_id: str) -> None:
    if "primary_email_address_id" not in columns:
        return
    query = "SELECT 1 FROM email_addresses WHERE id = ? AND user_id = ?"
    if not db.execute(query, (columns["primary_email_address_id"], user_id)).fetchone():
        raise invalid_parameter(
            "primary_email_address_id",
            "form_resource_not_found",
            "is missing",
            "The resource associated with the supplied primary_email_address_id was not found.",
        )


def _taken(param: str, label: str) -> ClerkError:
    return invalid_parameter(
        param,
        "form_identifier_exists",
        f"That {label} is taken. Please try another.",
        f"That {label} is taken. Please try another.",
    )
