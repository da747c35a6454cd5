"""What happens to users, and the events it sends. Callers pass values that are validated already."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from clerk_emulator import store, verifications
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, invalid_parameter, not_found
from clerk_emulator.events import emit_user_event
from clerk_emulator.ids import new_id

_UNIQUE_COLUMNS = {"username": "username", "external_id": "external ID"}
_PRIMARY = {"primary_email_address_id": "email_addresses", "primary_phone_number_id": "phone_numbers"}


def find(db: sqlite3.Connection, user_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM users WHERE id = ?", (user_id,)).fetchone()
    if row is None:
        raise not_found("user", user_id)
    return row


def create(
    change: Change,
    columns: dict[str, Any],
    email_addresses: list[str],
    phone_numbers: Sequence[str] = (),
    *,
    verified_by: str = "admin",
) -> sqlite3.Row:
    """Create a user whose first address is the primary one, and the first phone number likewise; `verified_by` is the
    strategy that proved them all.
    """
    user_id = new_id("user")
    now = now_ms()
    refuse_taken_columns(change.db, columns, user_id)
    refuse_taken(change.db, "email_address", email_addresses)
    refuse_taken(change.db, "phone_number", phone_numbers)
    emails, phones = (
        [{"id": new_id("idn"), "user_id": user_id, name: value} for value in dict.fromkeys(values)]
        for name, values in (("email_address", email_addresses), ("phone_number", phone_numbers))
    )
    row = store.with_text_metadata(columns) | {
        "id": user_id,
        "primary_email_address_id": emails[0]["id"] if emails else None,
        "primary_phone_number_id": phones[0]["id"] if phones else None,
    }
    times = {"created_at": now, "updated_at": now}
    store.insert(change.db, "users", row | times)
    for table, owned in (("email_addresses", emails), ("phone_numbers", phones)):
        for one in owned:
            store.insert(change.db, table, one | times)
            verifications.confirm(change.db, one["id"], verified_by)
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


def refuse_taken(db: sqlite3.Connection, name: Literal["email_address", "phone_number"], values: Iterable[str]) -> None:
    """Refuse e-mail addresses or phone numbers that somebody has."""
    table = "email_addresses" if name == "email_address" else "phone_numbers"
    for value in values:
        if db.execute(f"SELECT 1 FROM {table} WHERE {name} = ?", (value,)).fetchone():  # noqa: S608 - our own names
            raise _taken(name, name.replace("_", " "))


def _refuse_foreign_address(db: sqlite3.Connection, columns: dict[str, Any], user_id: str) -> None:
    for column, table in _PRIMARY.items():
        query = f"SELECT 1 FROM {table} WHERE id = ? AND user_id = ?"  # noqa: S608 - our own names
        if column in columns and not db.execute(query, (columns[column], user_id)).fetchone():
            message = f"The resource associated with the supplied {column} was not found."
            raise invalid_parameter(column, "form_resource_not_found", "is missing", message)


def _taken(param: str, label: str) -> ClerkError:
    return invalid_parameter(
        param,
        "form_identifier_exists",
        f"That {label} is taken. Please try another.",
        f"That {label} is taken. Please try another.",
    )
