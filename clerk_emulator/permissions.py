"""What roles in organizations may give."""

import sqlite3
from http import HTTPStatus
from typing import Any

from clerk_emulator import outbox, store
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, invalid_parameter, not_found
from clerk_emulator.ids import new_id


def find(db: sqlite3.Connection, permission_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM permissions WHERE id = ?", (permission_id,)).fetchone()
    if row is None:
        raise not_found("organization permission", permission_id)
    return row


def exists(db: sqlite3.Connection, key: str) -> bool:
    return db.execute("SELECT 1 FROM permissions WHERE key = ?", (key,)).fetchone() is not None


def find_by_key(db: sqlite3.Connection, key: str) -> sqlite3.Row:
    row: sqlite3.Row = db.execute("SELECT * FROM permissions WHERE key = ?", (key,)).fetchone()
    return row


def create(change: Change, columns: dict[str, Any]) -> sqlite3.Row:
    _refuse_taken_key(change.db, columns["key"])
    now = now_ms()
    row = {"id": new_id("perm"), "type": "user", "created_at": now, "updated_at": now}
    store.insert(change.db, "permissions", columns | row)
    return _tell(change, "created", str(row["id"]))


def update(change: Change, permission: sqlite3.Row, columns: dict[str, Any]) -> sqlite3.Row:
    _refuse_system(permission)
    key = columns.get("key", permission["key"])
    if key != permission["key"]:
        _refuse_taken_key(change.db, key)
    row = columns | {"updated_at": max(now_ms(), permission["updated_at"] + 1)}
    store.update(change.db, "permissions", permission["id"], row)
    _replace_in_roles(change.db, permission["key"], key)
    return _tell(change, "updated", permission["id"])


def delete(change: Change, permission: sqlite3.Row) -> dict[str, Any]:
    """Delete a permission, and take it from every role."""
    _refuse_system(permission)
    change.db.execute("DELETE FROM permissions WHERE id = ?", (permission["id"],))
    _replace_in_roles(change.db, permission["key"], None)
    deleted = {"object": "permission", "id": permission["id"], "deleted": True}
    outbox.emit(change, "permission.deleted", deleted, user_id=permission["id"])
    return deleted


def payload(permission: sqlite3.Row) -> dict[str, Any]:
    return {"object": "permission"} | dict(permission)


def _replace_in_roles(db: sqlite3.Connection, key: str, new_key: str | None) -> None:
    db.execute(
        "UPDATE roles SET permissions = (SELECT json_group_array(iif(value = :key, :new_key, value))"
        " FROM json_each(permissions) WHERE value <> :key OR :new_key IS NOT NULL)"
        " WHERE EXISTS (SELECT 1 FROM json_each(permissions) WHERE value = :key)",
        {"key": key, "new_key": new_key},
    )


def _refuse_system(permission: sqlite3.Row) -> None:
    if permission["type"] == "system":
        message = "System permissions can be neither updated nor deleted."
        raise ClerkError(HTTPStatus.FORBIDDEN, "organization_system_permission", "system permission", message)


def _refuse_taken_key(db: sqlite3.Connection, key: str) -> None:
    if exists(db, key):
        message = "That key is taken. Please try another."
        raise invalid_parameter("key", "form_identifier_exists", message, message)


def _tell(change: Change, verb: str, permission_id: str) -> sqlite3.Row:
    permission = find(change.db, permission_id)
    outbox.emit(change, f"permission.{verb}", payload(permission), user_id=permission_id)
    return permission
