"""Invitations into organizations: somebody is asked, and accepts or not."""

import json
import sqlite3
from http import HTTPStatus
from typing import Any

from clerk_emulator import memberships, organizations, outbox, roles, store, users
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, not_found
from clerk_emulator.ids import new_id
from clerk_emulator.organization_payloads import public_organization_data
from clerk_emulator.payloads import public_user_data

_DAY = 24 * 60 * 60 * 1000
_INVITER = ("user_id", "first_name", "last_name", "image_url", "has_image", "identifier")


def find(db: sqlite3.Connection, invitation_id: str) -> sqlite3.Row:
    expire_overdue(db)
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM organization_invitations WHERE id = ?", (invitation_id,)
    ).fetchone()
    if row is None:
        raise not_found("organization invitation", invitation_id)
    return row


def expire_overdue(db: sqlite3.Connection) -> None:
    """Mark those whose time is over. Clerk sends no event for that."""
    db.execute(
        "UPDATE organization_invitations SET status = 'expired' WHERE status = 'pending' AND expires_at <= ?",
        (now_ms(),),
    )


def create(change: Change, organization: sqlite3.Row, columns: dict[str, Any], *, days: int) -> sqlite3.Row:
    roles.find(change.db, columns["role"])
    if columns.get("inviter_id"):
        memberships.find(change.db, organization["id"], columns["inviter_id"])
    now = now_ms()
    row = store.with_text_metadata(columns) | {
        "id": new_id("orginv"),
        "organization_id": organization["id"],
        "expires_at": now + days * _DAY,
        "created_at": now,
        "updated_at": now,
    }
    store.insert(change.db, "organization_invitations", row)
    return _tell(change, "created", row["id"])


def revoke(change: Change, invitation: sqlite3.Row) -> sqlite3.Row:
    _refuse_if_over(invitation)
    _write(change, invitation, {"status": "revoked"})
    return _tell(change, "revoked", invitation["id"])


def accept(change: Change, invitation: sqlite3.Row) -> sqlite3.Row:
    """Make a member of the user who has the address, as the link in the invitation's mail does."""
    _refuse_if_over(invitation)
    user = _invited_user(change.db, invitation["email_address"])
    organization = organizations.find(change.db, invitation["organization_id"])
    metadata = {name: json.loads(invitation[name]) for name in ("public_metadata", "private_metadata")}
    memberships.create(change, organization, user, invitation["role"], metadata)
    _write(change, invitation, {"status": "accepted", "user_id": user["id"]})
    return _tell(change, "accepted", invitation["id"])


def payload(db: sqlite3.Connection, invitation: sqlite3.Row, base_url: str) -> dict[str, Any]:
    inviter = invitation["inviter_id"] and public_user_data(db, users.find(db, invitation["inviter_id"]), base_url)
    return {
        "object": "organization_invitation",
        "id": invitation["id"],
        "email_address": invitation["email_address"],
        "role": invitation["role"],
        "role_name": roles.find(db, invitation["role"]).name,
        "organization_id": invitation["organization_id"],
        "inviter_id": invitation["inviter_id"],
        "public_inviter_data": inviter and {name: inviter[name] for name in _INVITER},
        "status": invitation["status"],
        "public_metadata": json.loads(invitation["public_metadata"]),
        "private_metadata": json.loads(invitation["private_metadata"]),
        "url": None,
        "expires_at": invitation["expires_at"],
        "created_at": invitation["created_at"],
        "updated_at": invitation["updated_at"],
    }


def payload_with_organization(db: sqlite3.Connection, invitation: sqlite3.Row, base_url: str) -> dict[str, Any]:
    """Give an invitation as the lists beyond one organization show it."""
    data = public_organization_data(db, invitation["organization_id"], base_url)
    return payload(db, invitation, base_url) | {"public_organization_data": data}


def _invited_user(db: sqlite3.Connection, address: str) -> sqlite3.Row:
    row = db.execute("SELECT user_id FROM email_addresses WHERE email_address = ?", (address,)).fetchone()
    if row is None:
        raise not_found("user", address)
    return users.find(db, row["user_id"])


def _refuse_if_over(invitation: sqlite3.Row) -> None:
    if invitation["status"] != "pending":
        message = f"The invitation is {invitation['status']} already."
        raise ClerkError(HTTPStatus.BAD_REQUEST, "organization_invitation_not_pending", "not pending", message)


def _write(change: Change, invitation: sqlite3.Row, columns: dict[str, Any]) -> None:
    updated_at = max(now_ms(), invitation["updated_at"] + 1)
    store.update(change.db, "organization_invitations", invitation["id"], columns | {"updated_at": updated_at})


def _tell(change: Change, verb: str, invitation_id: str) -> sqlite3.Row:
    """Queue an event, in line with the others of its organization."""
    invitation = find(change.db, invitation_id)
    data = payload(change.db, invitation, change.emulator.url)
    if invitation["user_id"]:
        data["user_id"] = invitation["user_id"]
    outbox.emit(change, f"organizationInvitation.{verb}", data, user_id=invitation["organization_id"])
    return invitation
