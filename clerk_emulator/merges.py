"""One user merged into another: what the duplicate has moves over, and the duplicate is deleted."""

import json
import sqlite3
from typing import Any

from clerk_emulator import accounts, outbox, store, users
from clerk_emulator.context import Change
from clerk_emulator.errors import invalid_parameter
from clerk_emulator.payloads import user_payload

# Of both, the user who is kept has the say.
_COLUMNS = ("external_id", "username", "first_name", "last_name", "locale", "password_hash")
_METADATA = ("public_metadata", "private_metadata", "unsafe_metadata")
_PRIMARY = ("primary_email_address_id", "primary_phone_number_id")


def merge(change: Change, kept: sqlite3.Row, duplicate: sqlite3.Row) -> dict[str, Any]:
    """Merge and delete the duplicate; return the answer, which has both as they are and were."""
    if kept["id"] == duplicate["id"]:
        message = "A user cannot be merged with themselves."
        raise invalid_parameter("from_user_id", "form_param_value_invalid", "is invalid", message)
    url = change.emulator.url
    was = user_payload(change.db, duplicate, url)
    columns = {name: kept[name] if kept[name] is not None else duplicate[name] for name in (*_COLUMNS, *_PRIMARY)}
    columns |= {name: json.loads(duplicate[name]) | json.loads(kept[name]) for name in _METADATA}
    ids = (kept["id"], duplicate["id"])
    for table in ("email_addresses", "phone_numbers"):
        change.db.execute(f"UPDATE {table} SET user_id = ? WHERE user_id = ?", ids)  # noqa: S608 - our own names
    # A membership that both have is the kept user's, and goes with the duplicate.
    change.db.execute("UPDATE OR IGNORE organization_memberships SET user_id = ? WHERE user_id = ?", ids)
    store.update(change.db, "users", duplicate["id"], {"username": None, "external_id": None})
    merged = users.touch(change, kept, columns)
    accounts.delete(change, duplicate)
    data = {"user": user_payload(change.db, merged, url), "deleted_user": was}
    told = {"object": "user_merge", "id": kept["id"], "user_id": kept["id"], "from_user_id": duplicate["id"]}
    outbox.emit(change, "user.merged", told | data, user_id=kept["id"])
    return {"object": "user_merge"} | data
