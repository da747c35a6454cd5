"""The waitlist: who asked to be let in, and what became of that."""

import sqlite3
from http import HTTPStatus
from typing import Any

from clerk_emulator import outbox, store
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, not_found
from clerk_emulator.ids import new_id

_TABLE = "waitlist_entries"


def find(db: sqlite3.Connection, entry_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM waitlist_entries WHERE id = ?", (entry_id,)).fetchone()
    if row is None:
        raise not_found("waitlist entry", entry_id)
    return row


def create(change: Change, email_address: str) -> sqlite3.Row:
    """Put an address on the list; one that is on it stays as it is."""
    query = "SELECT * FROM waitlist_entries WHERE email_address = ?"
    row: sqlite3.Row | None = change.db.execute(query, (email_address,)).fetchone()
    if row is not None:
        return row
    now = now_ms()
    entry_id = new_id("wle")
    entry = {"id": entry_id, "email_address": email_address, "created_at": now, "updated_at": now}
    store.insert(change.db, _TABLE, entry)
    return _tell(change, "created", entry_id)


def invite(change: Change, entry: sqlite3.Row) -> sqlite3.Row:
    columns = {"status": "invited", "invitation_id": new_id("inv"), "invited_at": now_ms()}
    return _close(change, entry, columns, ("pending", "rejected"))


def reject(change: Change, entry: sqlite3.Row) -> sqlite3.Row:
    return _close(change, entry, {"status": "rejected"}, ("pending",))


def delete(change: Change, entry: sqlite3.Row) -> dict[str, Any]:
    """Delete an entry nobody has decided on. Clerk sends no event for that."""
    _refuse_unless(entry, ("pending",))
    change.db.execute("DELETE FROM waitlist_entries WHERE id = ?", (entry["id"],))
    return {"object": "waitlist_entry", "id": entry["id"], "deleted": True}


def payload(entry: sqlite3.Row) -> dict[str, Any]:
    invitation = entry["invitation_id"] and {
        "object": "invitation",
        "id": entry["invitation_id"],
        "email_address": entry["email_address"],
        "public_metadata": {},
        "revoked": False,
        "status": "pending",
        "created_at": entry["invited_at"],
        "updated_at": entry["invited_at"],
    }
    return {
        "object": "waitlist_entry",
        "id": entry["id"],
        "email_address": entry["email_address"],
        "status": entry["status"],
        "is_locked": False,
        "invitation": invitation,
        "created_at": entry["created_at"],
        "updated_at": entry["updated_at"],
    }


def _close(change: Change, entry: sqlite3.Row, columns: dict[str, Any], from_: tuple[str, ...]) -> sqlite3.Row:
    _refuse_unless(entry, from_)
    store.update(change.db, _TABLE, entry["id"], columns | {"updated_at": max(now_ms(), entry["updated_at"] + 1)})
    return _tell(change, "updated", entry["id"])


def _refuse_unless(entry: sqlite3.Row, statuses: tuple[str, ...]) -> None:
    if entry["status"] not in statuses:
        message = f"The entry is {entry['status']} already."
        raise ClerkError(HTTPStatus.CONFLICT, "waitlist_entry_already_decided", "already decided", message)


def _tell(change: Change, verb: str, entry_id: str) -> sqlite3.Row:
    entry = find(change.db, entry_id)
    outbox.emit(change, f"waitlistEntry.{verb}", payload(entry), user_id=entry_id)
    return entry
