"""Domains of organizations, whose addresses may join."""

import sqlite3
from typing import Any

from clerk_emulator import outbox, store
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import invalid_parameter, not_found
from clerk_emulator.ids import new_id
from clerk_emulator.organization_payloads import public_organization_data

_TABLE = "organization_domains"


def find(db: sqlite3.Connection, organization_id: str, domain_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM organization_domains WHERE id = ? AND organization_id = ?", (domain_id, organization_id)
    ).fetchone()
    if row is None:
        raise not_found("organization domain", domain_id)
    return row


def create(change: Change, organization: sqlite3.Row, columns: dict[str, Any]) -> sqlite3.Row:
    key = (organization["id"], columns["name"])
    if change.db.execute("SELECT 1 FROM organization_domains WHERE organization_id = ? AND name = ?", key).fetchone():
        message = "The organization has this domain already."
        raise invalid_parameter("name", "duplicate_record", message, message)
    now = now_ms()
    row = {"id": new_id("orgdmn"), "organization_id": organization["id"], "created_at": now, "updated_at": now}
    store.insert(change.db, _TABLE, columns | row)
    return _tell(change, "created", find(change.db, organization["id"], str(row["id"])))


def update(change: Change, domain: sqlite3.Row, columns: dict[str, Any]) -> sqlite3.Row:
    """Write some columns; what changes nothing sends nothing."""
    if all(domain[name] == value for name, value in columns.items()):
        return domain
    store.update(change.db, _TABLE, domain["id"], columns | {"updated_at": max(now_ms(), domain["updated_at"] + 1)})
    return _tell(change, "updated", find(change.db, domain["organization_id"], domain["id"]))


def delete(change: Change, domain: sqlite3.Row) -> dict[str, Any]:
    change.db.execute("DELETE FROM organization_domains WHERE id = ?", (domain["id"],))
    payload = {"object": "organization_domain", "id": domain["id"], "deleted": True}
    outbox.emit(change, "organizationDomain.deleted", payload, user_id=domain["organization_id"])
    return payload


def payload(db: sqlite3.Connection, domain: sqlite3.Row, base_url: str) -> dict[str, Any]:
    verification = {
        "status": "verified" if domain["verified"] else "unverified",
        "strategy": "admin",
        "attempts": None,
        "expire_at": None,
        "verified_at": domain["created_at"] if domain["verified"] else None,
    }
    return {
        "object": "organization_domain",
        "id": domain["id"],
        "organization_id": domain["organization_id"],
        "name": domain["name"],
        "enrollment_mode": domain["enrollment_mode"],
        "affiliation_email_address": None,
        "affiliation_verification": None,
        "ownership_verification": None,
        "verification": verification,
        "total_pending_invitations": 0,
        "total_pending_suggestions": 0,
        "public_organization_data": public_organization_data(db, domain["organization_id"], base_url),
        "created_at": domain["created_at"],
        "updated_at": domain["updated_at"],
    }


def _tell(change: Change, verb: str, domain: sqlite3.Row) -> sqlite3.Row:
    data = payload(change.db, domain, change.emulator.url)
    outbox.emit(change, f"organizationDomain.{verb}", data, user_id=domain["organization_id"])
    return domain
