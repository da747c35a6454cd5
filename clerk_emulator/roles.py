"""Roles in organizations: what each permits, and how tokens say so.

Clerk's own two are always there. Others, and more permissions for those two, are what one makes in Clerk's dashboard.
"""

import json
import sqlite3
from dataclasses import dataclass
from http import HTTPStatus

from clerk_emulator.errors import ClerkError

ADMIN = "org:admin"
MEMBER = "org:member"

_SYSTEM_PREFIX = "org:sys_"
_SYSTEM_PERMISSIONS = {
    ADMIN: (
        *("org:sys_profile:manage", "org:sys_profile:delete"),
        *("org:sys_memberships:read", "org:sys_memberships:manage"),
        *("org:sys_domains:read", "org:sys_domains:manage"),
        *("org:sys_billing:read", "org:sys_billing:manage"),
    ),
    MEMBER: ("org:sys_memberships:read", "org:sys_billing:read"),
}
_SYSTEM_NAMES = {ADMIN: "Admin", MEMBER: "Member"}


@dataclass(frozen=True)
class Role:
    key: str
    name: str
    permissions: tuple[str, ...]


def find(db: sqlite3.Connection, key: str) -> Role:
    row = db.execute("SELECT name, permissions FROM roles WHERE key = ?", (key,)).fetchone()
    if row is None and key not in _SYSTEM_NAMES:
        raise ClerkError(
            HTTPStatus.NOT_FOUND, "resource_not_found", "not found", "Organization role not found", param="role"
        )
    name = row["name"] if row else _SYSTEM_NAMES[key]
    custom = json.loads(row["permissions"]) if row else ()
    return Role(key, name, tuple(dict.fromkeys((*_SYSTEM_PERMISSIONS.get(key, ()), *custom))))


def find_all(db: sqlite3.Connection) -> list[Role]:
    """List the roles, Clerk's own first."""
    keys = [row["key"] for row in db.execute("SELECT key FROM roles ORDER BY key")]
    return [find(db, key) for key in dict.fromkeys((ADMIN, MEMBER, *keys))]


def define(db: sqlite3.Connection, key: str, name: str | None, permissions: list[str]) -> Role:
    """Make a role, or say anew what one permits; Clerk's own two keep what they are made for."""
    name = name or _SYSTEM_NAMES.get(key) or key.removeprefix("org:").replace("_", " ").capitalize()
    db.execute("INSERT OR REPLACE INTO roles VALUES (?, ?, ?)", (key, name, json.dumps(permissions)))
    return find(db, key)


def token_claims(role: Role) -> tuple[dict[str, str], dict[str, str]]:
    """Encode the role as version 2 tokens do; return what belongs beside the claim `o`, and what belongs into it.

    `fea` names the features, `per` what can be done to one, and bit i of a feature's mask in `fpm` grants the i-th of
    `per`. Clerk leaves its own permissions out.
    """
    granted: dict[str, list[str]] = {}
    for permission in role.permissions:
        if not permission.startswith(_SYSTEM_PREFIX):
            _, feature, name = permission.split(":")
            granted.setdefault(feature, []).append(name)
    if not granted:
        return {}, {}
    names = list(dict.fromkeys(name for feature in granted.values() for name in feature))
    masks = [sum(1 << names.index(name) for name in feature) for feature in granted.values()]
    features = {"fea": ",".join(f"o:{feature}" for feature in granted)}
    return features, {"per": ",".join(names), "fpm": ",".join(map(str, masks))}
