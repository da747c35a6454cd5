"""What happens to organizations, and the events it sends."""

import re
import sqlite3
from http import HTTPStatus
from itertools import chain, count
from typing import Any

from clerk_emulator import memberships, outbox, roles, store, users
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, invalid_parameter
from clerk_emulator.ids import new_id
from clerk_emulator.organization_payloads import deleted_organization_payload, organization_payload


def find(db: sqlite3.Connection, id_or_slug: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM organizations WHERE id = :name OR slug = :name", {"name": id_or_slug}
    ).fetchone()
    if row is None:
        raise ClerkError(HTTPStatus.NOT_FOUND, "resource_not_found", "not found", "Given organization not found.")
    return row


def create(change: Change, columns: dict[str, Any]) -> sqlite3.Row:
    """Found an organization; the user it names as `created_by` is its first member, an administrator."""
    creator = _find_creator(change.db, columns.get("created_by"))
    if columns.get("slug"):
        _refuse_taken_slug(change.db, columns["slug"])
    else:
        columns = columns | {"slug": _free_slug(change.db, columns["name"])}
    now = now_ms()
    row = store.with_text_metadata(columns) | {"id": new_id("org"), "created_at": now, "updated_at": now}
    store.insert(change.db, "organizations", row)
    organization = find(change.db, row["id"])
    membership = memberships.add(change.db, organization, creator, roles.ADMIN) if creator else None
    emit(change, "organization.created", organization)
    if membership:
        memberships.emit(change, "organizationMembership.created", membership)
    return organization


def update(change: Change, organization: sqlite3.Row, columns: dict[str, Any]) -> sqlite3.Row:
    """Write some columns and send `organization.updated`; nothing to write sends nothing."""
    if not columns:
        return organization
    if "slug" in columns:
        _refuse_taken_slug(change.db, columns["slug"], organization["id"])
    row = store.with_text_metadata(columns) | {"updated_at": max(now_ms(), organization["updated_at"] + 1)}
    store.update(change.db, "organizations", organization["id"], row)
    updated = find(change.db, organization["id"])
    emit(change, "organization.updated", updated)
    return updated


def delete(change: Change, organization: sqlite3.Row) -> dict[str, Any]:
    """Delete an organization with its memberships, and return what is left of it."""
    change.db.execute("DELETE FROM organizations WHERE id = ?", (organization["id"],))
    payload = deleted_organization_payload(organization)
    outbox.emit(change, "organization.deleted", payload, user_id=organization["id"])
    return payload


def claims(db: sqlite3.Connection, organization_id: str | None, user_id: str) -> dict[str, Any]:
    """Give what a token says of the organization it is for, if the user still belongs to that."""
    row = db.execute(
        "SELECT o.id, o.slug, m.role FROM organization_memberships AS m"
        " JOIN organizations AS o ON o.id = m.organization_id"
        " WHERE m.organization_id = ? AND m.user_id = ?",
        (organization_id, user_id),
    ).fetchone()
    if row is None:
        return {}
    features, permissions = roles.token_claims(roles.find(db, row["role"]).permissions)
    organization = {"id": row["id"], "rol": row["role"].removeprefix("org:"), "slg": row["slug"]}
    return features | {"o": organization | permissions}


def activate(db: sqlite3.Connection, session: sqlite3.Row, organization_id: str | None) -> None:
    """Put a session into an organization of its user, or with None out of it."""
    if organization_id is not None:
        refuse_stranger(db, organization_id, session["user_id"])
    store.update(db, "sessions", session["id"], {"last_active_organization_id": organization_id})


def refuse_stranger(db: sqlite3.Connection, organization_id: str, user_id: str) -> None:
    """Refuse an organization the user does not belong to, as if there were none."""
    if not memberships.exists(db, organization_id, user_id):
        raise ClerkError(
            HTTPStatus.NOT_FOUND,
            "organization_not_found_or_unauthorized",
            "not found or unauthorized",
            "Given organization not found, or you don't have permission to access the organization",
        )


def _find_creator(db: sqlite3.Connection, user_id: str | None) -> sqlite3.Row | None:
    if user_id is None:
        return None
    try:
        return users.find(db, user_id)
    except ClerkError:
        message = f"No users found with id {user_id}."
        raise ClerkError(
            HTTPStatus.BAD_REQUEST, "organization_creator_not_found", "creator not found", message
        ) from None


def _refuse_taken_slug(db: sqlite3.Connection, slug: str, organization_id: str = "") -> None:
    if db.execute("SELECT 1 FROM organizations WHERE slug = ? AND id <> ?", (slug, organization_id)).fetchone():
        message = "That slug is taken. Please try another."
        raise invalid_parameter("slug", "form_identifier_exists", message, message)


def _free_slug(db: sqlite3.Connection, name: str) -> str:
    """Make a slug of a name, with a number when another organization has it."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "organization"
    taken = {row["slug"] for row in db.execute("SELECT slug FROM organizations")}
    numbered = (f"{slug}-{number}" for number in count(2))
    return next(each for each in chain([slug], numbered) if each not in taken)


def emit(change: Change, event_type: str, organization: sqlite3.Row) -> None:
    data = organization_payload(change.db, organization, change.emulator.url, with_counts=True)
    outbox.emit(change, event_type, data, user_id=organization["id"])
