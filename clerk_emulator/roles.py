"""Roles in organizations and the permissions they give, and how tokens say so.

Clerk's own two roles and its permissions are always there. Others, and more permissions for those two, are what one
makes in Clerk's dashboard or with the Backend API.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from clerk_emulator import outbox, permissions, store
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, invalid_parameter, not_found
from clerk_emulator.ids import new_id

ADMIN = "org:admin"
MEMBER = "org:member"

SYSTEM_PREFIX = "org:sys_"
_SYSTEM_PERMISSIONS = {
    ADMIN: (
        *("org:sys_profile:manage", "org:sys_profile:delete"),
        *("org:sys_memberships:read", "org:sys_memberships:manage"),
        *("org:sys_domains:read", "org:sys_domains:manage"),
        *("org:sys_billing:read", "org:sys_billing:manage"),
    ),
    MEMBER: ("org:sys_memberships:read", "org:sys_billing:read"),
}


@dataclass(frozen=True)
class Role:
    id: str
    key: str
    name: str
    description: str | None
    permissions: tuple[str, ...]
    created_at: int
    updated_at: int


def find(db: sqlite3.Connection, key: str) -> Role:
    row = db.execute("SELECT * FROM roles WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise ClerkError(
            HTTPStatus.NOT_FOUND, "resource_not_found", "not found", "Organization role not found", param="role"
        )
    return of_row(row)


def find_by_id(db: sqlite3.Connection, role_id: str) -> Role:
    row = db.execute("SELECT * FROM roles WHERE id = ?", (role_id,)).fetchone()
    if row is None:
        raise not_found("organization role", role_id)
    return of_row(row)


def of_row(row: sqlite3.Row) -> Role:
    """Read a role, with what Clerk's own two are made for."""
    given = (*_SYSTEM_PERMISSIONS.get(row["key"], ()), *json.loads(row["permissions"]))
    return Role(**(dict(row) | {"permissions": tuple(dict.fromkeys(given))}))


def find_all(db: sqlite3.Connection) -> list[Role]:
    """List the roles, Clerk's own first."""
    return [of_row(row) for row in db.execute("SELECT * FROM roles ORDER BY key NOT IN (?, ?), key", (ADMIN, MEMBER))]


def create(change: Change, columns: dict[str, Any]) -> Role:
    """Make a role; `permissions` are keys of those there are."""
    _refuse_taken_key(change.db, columns["key"])
    now = now_ms()
    store.insert(change.db, "roles", _stored(columns) | {"id": new_id("role"), "created_at": now, "updated_at": now})
    return _tell(change, "created", find(change.db, columns["key"]))


def update(change: Change, role: Role, columns: dict[str, Any]) -> Role:
    """Write some columns; Clerk's own two keep their keys and what they are made for."""
    key = columns.get("key", role.key)
    if key != role.key:
        _refuse_system(role, "key")
        _refuse_taken_key(change.db, key)
        for table in ("organization_memberships", "organization_invitations"):
            change.db.execute(f"UPDATE {table} SET role = ? WHERE role = ?", (key, role.key))  # noqa: S608
    store.update(change.db, "roles", role.id, _stored(columns) | {"updated_at": max(now_ms(), role.updated_at + 1)})
    return _tell(change, "updated", find(change.db, key))


def delete(change: Change, role: Role) -> dict[str, Any]:
    """Delete a role that nobody has and nobody is invited to."""
    _refuse_system(role, "organization_role_id")
    for table in ("organization_memberships", "organization_invitations"):
        if change.db.execute(f"SELECT 1 FROM {table} WHERE role = ?", (role.key,)).fetchone():  # noqa: S608
            message = "The role is assigned to members or invitations."
            raise ClerkError(HTTPStatus.UNPROCESSABLE_ENTITY, "organization_role_used", "role in use", message)
    change.db.execute("DELETE FROM roles WHERE id = ?", (role.id,))
    deleted = {"object": "role", "id": role.id, "deleted": True}
    outbox.emit(change, "role.deleted", deleted, user_id=role.id)
    return deleted


def define(change: Change, key: str, name: str | None, keys: Sequence[str]) -> Role:
    """Make a role, or say anew what one permits; permissions that are not there are made as well."""
    for permission in keys:
        if not permissions.exists(change.db, permission):
            permissions.create(change, {"key": permission, "name": permission})
    columns: dict[str, Any] = {"permissions": keys} | ({"name": name} if name else {})
    if change.db.execute("SELECT 1 FROM roles WHERE key = ?", (key,)).fetchone():
        return update(change, find(change.db, key), columns)
    name = key.removeprefix("org:").replace("_", " ").capitalize()
    return create(change, {"key": key, "name": name} | columns)


def payload(db: sqlite3.Connection, role: Role) -> dict[str, Any]:
    return {
        "object": "role",
        "id": role.id,
        "name": role.name,
        "key": role.key,
        "description": role.description,
        "is_creator_eligible": set(_SYSTEM_PERMISSIONS[ADMIN]) <= set(role.permissions),
        "permissions": [permissions.payload(permissions.find_by_key(db, key)) for key in role.permissions],
        "created_at": role.created_at,
        "updated_at": role.updated_at,
    }


def delete_own(change: Change) -> None:
    """Delete the roles and permissions that are not Clerk's own, with their webhooks."""
    for role in find_all(change.db):
        if role.key not in _SYSTEM_PERMISSIONS:
            delete(change, role)
    for permission in change.db.execute("SELECT * FROM permissions WHERE type = 'user'").fetchall():
        permissions.delete(change, permission)


def forget_own(db: sqlite3.Connection) -> None:
    """Leave nothing but Clerk's own roles and permissions, as they were at first."""
    db.execute("DELETE FROM roles WHERE key NOT IN (?, ?)", (ADMIN, MEMBER))
    db.execute("UPDATE roles SET permissions = '[]'")
    db.execute("DELETE FROM permissions WHERE type = 'user'")


def _stored(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if name == "permissions" else value for name, value in columns.items()}


def _refuse_system(role: Role, param: str) -> None:
    if role.key in _SYSTEM_PERMISSIONS:
        message = "This role is Clerk's own."
        raise invalid_parameter(param, "form_param_value_invalid", "is invalid", message)


def _refuse_taken_key(db: sqlite3.Connection, key: str) -> None:
    if db.execute("SELECT 1 FROM roles WHERE key = ?", (key,)).fetchone():
        message = "That key is taken. Please try another."
        raise invalid_parameter("key", "form_identifier_exists", message, message)


def _tell(change: Change, verb: str, role: Role) -> Role:
    outbox.emit(change, f"role.{verb}", payload(change.db, role), user_id=role.id)
    return role


def token_claims(permissions: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Encode permissions as version 2 tokens do; return what belongs beside the claim `o`, and what belongs into it.

    `fea` names the features, `per` what can be done to one, and bit i of a feature's mask in `fpm` grants the i-th of
    `per`. Clerk leaves its own permissions out.
    """
    granted: dict[str, list[str]] = {}
    for permission in permissions:
        if not permission.startswith(SYSTEM_PREFIX):
            _, feature, name = permission.split(":")
            granted.setdefault(feature, []).append(name)
    if not granted:
        return {}, {}
    names = list(dict.fromkeys(name for feature in granted.values() for name in feature))
    masks = [sum(1 << names.index(name) for name in feature) for feature in granted.values()]
    features = {"fea": ",".join(f"o:{feature}" for feature in granted)}
    return features, {"per": ",".join(names), "fpm": ",".join(map(str, masks))}
