"""Who belongs to which organization, and as what."""

import sqlite3
from http import HTTPStatus
from typing import Any

from clerk_emulator import outbox, roles, store
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, not_found
from clerk_emulator.ids import new_id
from clerk_emulator.organization_payloads import membership_payload


def find(db: sqlite3.Connection, organization_id: str, user_id: str) -> sqlite3.Row:
    row = _select(db, organization_id, user_id)
    if row is None:
        raise not_found("organization membership", user_id)
    return row


def exists(db: sqlite3.Connection, organization_id: str, user_id: str) -> bool:
    return _select(db, organization_id, user_id) is not None


def of_user(db: sqlite3.Connection, user_id: str) -> list[sqlite3.Row]:
    """List what a user belongs to, oldest membership first."""
    return db.execute(
        "SELECT * FROM organization_memberships WHERE user_id = ? ORDER BY created_at, rowid", (user_id,)
    ).fetchall()


def create(
    change: Change, organization: sqlite3.Row, user: sqlite3.Row, role_key: str, metadata: dict[str, Any] | None = None
) -> sqlite3.Row:
    membership = add(change.db, organization, user, role_key, metadata)
    emit(change, "organizationMembership.created", membership)
    return membership


def add(
    db: sqlite3.Connection,
    organization: sqlite3.Row,
    user: sqlite3.Row,
    role_key: str,
    metadata: dict[str, Any] | None = None,
) -> sqlite3.Row:
    """Write a membership and send nothing, for the founder of an organization that nobody has heard of yet."""
    role = roles.find(db, role_key)
    _refuse_one_too_many(db, organization, user)
    now = now_ms()
    row = {
        "id": new_id("orgmem"),
        "organization_id": organization["id"],
        "user_id": user["id"],
        "role": role.key,
        "created_at": now,
        "updated_at": now,
    }
    store.insert(db, "organization_memberships", row | store.with_text_metadata(metadata or {}))
    return find(db, organization["id"], user["id"])


def update(change: Change, membership: sqlite3.Row, columns: dict[str, Any]) -> sqlite3.Row:
    """Write the role or metadata (dicts); what changes nothing sends nothing."""
    if "role" in columns:
        roles.find(change.db, columns["role"])
    stored = store.with_text_metadata(columns)
    if all(membership[name] == value for name, value in stored.items()):
        return membership
    row = stored | {"updated_at": max(now_ms(), membership["updated_at"] + 1)}
    store.update(change.db, "organization_memberships", membership["id"], row)
    updated = find(change.db, membership["organization_id"], membership["user_id"])
    emit(change, "organizationMembership.updated", updated)
    return updated


def delete(change: Change, membership: sqlite3.Row) -> dict[str, Any]:
    """Take the user out of the organization, and their sessions with them; return the membership that was."""
    in_it = (membership["user_id"], membership["organization_id"])
    change.db.execute(
        "UPDATE sessions SET last_active_organization_id = NULL WHERE user_id = ? AND last_active_organization_id = ?",
        in_it,
    )
    change.db.execute("DELETE FROM organization_memberships WHERE id = ?", (membership["id"],))
    emit(change, "organizationMembership.deleted", membership)
    return membership_payload(change.db, membership, change.emulator.url)


def emit(change: Change, event_type: str, membership: sqlite3.Row) -> None:
    """Queue an event, in line with the others of its organization."""
    data = membership_payload(change.db, membership, change.emulator.url, with_counts=True)
    outbox.emit(change, event_type, data, user_id=membership["organization_id"])


def _select(db: sqlite3.Connection, organization_id: str, user_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM organization_memberships WHERE organization_id = ? AND user_id = ?", (organization_id, user_id)
    ).fetchone()
    return row


def _refuse_one_too_many(db: sqlite3.Connection, organization: sqlite3.Row, user: sqlite3.Row) -> None:
    members = {
        row["user_id"]
        for row in db.execute(
            "SELECT user_id FROM organization_memberships WHERE organization_id = ?", (organization["id"],)
        )
    }
    if user["id"] in members:
        raise ClerkError(
            HTTPStatus.BAD_REQUEST,
            "already_a_member_in_organization",
            "already a member",
            f"User {user['id']} is already a member of the organization.",
        )
    limit = organization["max_allowed_memberships"]
    if limit and len(members) >= limit:
        raise ClerkError(
            HTTPStatus.FORBIDDEN,
            "organization_membership_quota_exceeded",
            "organization membership quota exceeded",
            f"You have reached your limit of {limit} organization memberships, including outstanding invitations.",
        )
