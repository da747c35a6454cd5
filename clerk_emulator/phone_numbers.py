"""What happens to the phone numbers of a user. Each change is one of the user too, and sends `user.updated`."""

import sqlite3
from typing import Any

from clerk_emulator import store, users, verifications
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import invalid_parameter, not_found
from clerk_emulator.ids import new_id

_STRATEGY = "admin"


def find(db: sqlite3.Connection, phone_number_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM phone_numbers WHERE id = ?", (phone_number_id,)).fetchone()
    if row is None:
        raise not_found("phone number", phone_number_id)
    return row


def add(change: Change, user: sqlite3.Row, phone_number: str, changes: dict[str, Any]) -> sqlite3.Row:
    """Give the user another number, which nobody has yet; the first one that is proved is the primary one."""
    users.refuse_taken(change.db, "phone_number", [phone_number])
    now = now_ms()
    row = {"id": new_id("idn"), "user_id": user["id"], "phone_number": phone_number}
    store.insert(change.db, "phone_numbers", row | {"created_at": now, "updated_at": now})
    phone = find(change.db, row["id"])
    update(change, phone, changes)
    return phone


def update(change: Change, phone: sqlite3.Row, changes: dict[str, Any]) -> None:
    """Prove or doubt a number (`verified`), reserve it (`reserved_for_second_factor`), make it the `primary` one."""
    if changes.get("verified"):
        verifications.confirm(change.db, phone["id"], _STRATEGY)
    elif changes.get("verified") is False:
        verifications.forget(change.db, phone["id"])
    is_proved = verifications.is_verified(change.db, phone["id"])
    if changes.get("primary") and not is_proved:
        message = "Only a verified phone number can be the primary one."
        raise invalid_parameter("primary", "form_param_value_invalid", "is invalid", message)
    columns = {name: value for name, value in changes.items() if name == "reserved_for_second_factor"}
    store.update(change.db, "phone_numbers", phone["id"], columns | {"updated_at": now_ms()})
    user = users.find(change.db, phone["user_id"])
    is_primary = changes.get("primary") or (is_proved and user["primary_phone_number_id"] is None)
    users.touch(change, user, {"primary_phone_number_id": phone["id"]} if is_primary else None)


def remove(change: Change, phone: sqlite3.Row) -> None:
    """Take a number away; the oldest proved one takes the place of a primary one."""
    change.db.execute("DELETE FROM phone_numbers WHERE id = ?", (phone["id"],))
    user = users.find(change.db, phone["user_id"])
    primary = user["primary_phone_number_id"]
    if primary == phone["id"]:
        other = change.db.execute(
            "SELECT p.id FROM phone_numbers AS p JOIN verifications AS v ON v.owner_id = p.id"
            " WHERE p.user_id = ? AND v.status = 'verified' ORDER BY p.created_at, p.rowid LIMIT 1",
            (user["id"],),
        ).fetchone()
        primary = other["id"] if other else None
    users.touch(change, user, {"primary_phone_number_id": primary})
