"""Organizations and memberships in the shapes of Clerk's Backend API and webhooks."""

import json
import sqlite3
from collections.abc import Iterable
from functools import cache
from typing import Any

from clerk_emulator import roles
from clerk_emulator.payloads import picture_url, public_user_data


def organization_payload(
    db: sqlite3.Connection, organization: sqlite3.Row, base_url: str, *, with_counts: bool = False
) -> dict[str, Any]:
    """Give an organization; the counts are in every webhook, but in an answer only when they are asked for."""
    payload = {
        "object": "organization",
        "id": organization["id"],
        "name": organization["name"],
        "slug": organization["slug"],
        "image_url": picture_url(base_url, None),
        "has_image": False,
        "max_allowed_memberships": organization["max_allowed_memberships"],
        "admin_delete_enabled": bool(organization["admin_delete_enabled"]),
        "public_metadata": json.loads(organization["public_metadata"]),
        "private_metadata": json.loads(organization["private_metadata"]),
        "created_at": organization["created_at"],
        "updated_at": organization["updated_at"],
    }
    if organization["created_by"]:
        payload["created_by"] = organization["created_by"]
    if with_counts:
        members, admins = db.execute(
            "SELECT count(*), count(*) FILTER (WHERE role = ?) FROM organization_memberships WHERE organization_id = ?",
            (roles.ADMIN, organization["id"]),
        ).fetchone()
        [invited] = db.execute(
            "SELECT count(*) FROM organization_invitations WHERE status = 'pending' AND organization_id = ?",
            (organization["id"],),
        ).fetchone()
        payload |= {
            "members_count": members,
            "missing_member_with_elevated_permissions": admins == 0,
            "pending_invitations_count": invited,
        }
    return payload


def public_organization_data(db: sqlite3.Connection, organization_id: str, base_url: str) -> dict[str, Any]:
    """Give what the invited may see of an organization."""
    row = db.execute("SELECT id, name, slug FROM organizations WHERE id = ?", (organization_id,)).fetchone()
    return dict(row) | {"image_url": picture_url(base_url, None), "has_image": False}


def deleted_organization_payload(organization: sqlite3.Row) -> dict[str, Any]:
    return {"object": "organization", "id": organization["id"], "slug": organization["slug"], "deleted": True}


def membership_payload(
    db: sqlite3.Connection, membership: sqlite3.Row, base_url: str, *, with_counts: bool = False
) -> dict[str, Any]:
    [payload] = membership_payloads(db, [membership], base_url, with_counts=with_counts)
    return payload


def membership_payloads(
    db: sqlite3.Connection, memberships: Iterable[sqlite3.Row], base_url: str, *, with_counts: bool = False
) -> list[dict[str, Any]]:
    """Give memberships; what many of them share is read once."""

    @cache
    def organization(organization_id: str) -> dict[str, Any]:
        row = db.execute("SELECT * FROM organizations WHERE id = ?", (organization_id,)).fetchone()
        return organization_payload(db, row, base_url, with_counts=with_counts)

    @cache
    def role(key: str) -> roles.Role:
        return roles.find(db, key)

    def payload(membership: sqlite3.Row) -> dict[str, Any]:
        user = db.execute("SELECT * FROM users WHERE id = ?", (membership["user_id"],)).fetchone()
        return {
            "object": "organization_membership",
            "id": membership["id"],
            "role": membership["role"],
            "role_name": role(membership["role"]).name,
            "permissions": list(role(membership["role"]).permissions),
            "public_metadata": json.loads(membership["public_metadata"]),
            "private_metadata": json.loads(membership["private_metadata"]),
            "organization": organization(membership["organization_id"]),
            "public_user_data": public_user_data(db, user, base_url),
            "created_at": membership["created_at"],
            "updated_at": membership["updated_at"],
        }

    return [payload(membership) for membership in memberships]
