"""Rows of the store in the shapes of Clerk's Backend API and webhooks."""

import json
import sqlite3
from typing import Any

from clerk_emulator import verifications
from clerk_emulator.activity import activity_payload


def user_payload(db: sqlite3.Connection, user: sqlite3.Row, base_url: str) -> dict[str, Any]:
    image_id = _profile_image_id(db, user["id"])
    image_url = picture_url(base_url, image_id)
    return {
        "id": user["id"],
        "object": "user",
        "external_id": user["external_id"],
        "primary_email_address_id": user["primary_email_address_id"],
        "primary_phone_number_id": user["primary_phone_number_id"],
        "primary_web3_wallet_id": None,
        "username": user["username"],
        "first_name": user["first_name"],
        "last_name": user["last_name"],
        "locale": user["locale"],
        "profile_image_url": image_url,
        "image_url": image_url,
        "has_image": image_id is not None,
        "public_metadata": json.loads(user["public_metadata"]),
        "private_metadata": json.loads(user["private_metadata"]),
        "unsafe_metadata": json.loads(user["unsafe_metadata"]),
        "email_addresses": _email_addresses(db, user["id"]),
        "phone_numbers": _phone_numbers(db, user["id"]),
        "web3_wallets": [],
        "passkeys": [],
        "password_enabled": user["password_hash"] is not None,
        "two_factor_enabled": False,
        "totp_enabled": False,
        "backup_code_enabled": False,
        "mfa_enabled_at": None,
        "mfa_disabled_at": None,
        "password_last_updated_at": user["password_last_updated_at"],
        "external_accounts": [],
        "saml_accounts": [],
        "enterprise_accounts": [],
        "last_sign_in_at": user["last_sign_in_at"],
        "banned": bool(user["banned"]),
        "locked": bool(user["locked"]),
        "deprovisioned": bool(user["deprovisioned"]),
        "lockout_expires_in_seconds": None,
        "verification_attempts_remaining": None,
        "updated_at": user["updated_at"],
        "created_at": user["created_at"],
        "delete_self_enabled": bool(user["delete_self_enabled"]),
        "create_organization_enabled": bool(user["create_organization_enabled"]),
        "create_organizations_limit": None,
        "last_active_at": user["last_active_at"],
        "legal_accepted_at": None,
    }


def picture_url(base_url: str, image_id: str | None) -> str:
    """Where a picture is, or the one of everybody who has none: Clerk's screens know it by `avatar_placeholder`."""
    return f"{base_url}/emulator/" + (f"images/{image_id}" if image_id else "avatar_placeholder.svg")


def public_user_data(db: sqlite3.Connection, user: sqlite3.Row, base_url: str) -> dict[str, Any]:
    """Give what others may see of a user."""
    image_id = _profile_image_id(db, user["id"])
    image_url = picture_url(base_url, image_id)
    identifiers = db.execute(
        "SELECT email_address FROM email_addresses WHERE id = ? UNION ALL"
        " SELECT phone_number FROM phone_numbers WHERE id = ?",
        (user["primary_email_address_id"], user["primary_phone_number_id"]),
    ).fetchone()
    return {
        "user_id": user["id"],
        "first_name": user["first_name"],
        "last_name": user["last_name"],
        "profile_image_url": image_url,
        "image_url": image_url,
        "has_image": image_id is not None,
        "username": user["username"],
        "banned": bool(user["banned"]),
        "identifier": identifiers[0] if identifiers else user["username"] or "",
    }


def deleted_user_payload(user: sqlite3.Row) -> dict[str, Any]:
    payload = {"object": "user", "id": user["id"], "deleted": True}
    if user["external_id"] is not None:
        payload["external_id"] = user["external_id"]
    return payload


def session_payload(session: sqlite3.Row) -> dict[str, Any]:
    return {
        "object": "session",
        "id": session["id"],
        "user_id": session["user_id"],
        "client_id": session["client_id"],
        "actor": session["actor"] and json.loads(session["actor"]),
        "status": session["status"],
        "last_active_organization_id": session["last_active_organization_id"],
        "last_active_at": session["last_active_at"],
        "latest_activity": activity_payload(session),
        "expire_at": session["expire_at"],
        "abandon_at": session["abandon_at"],
        "updated_at": session["updated_at"],
        "created_at": session["created_at"],
    }


def email_address_payload(db: sqlite3.Connection, email: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": email["id"],
        "object": "email_address",
        "email_address": email["email_address"],
        "reserved": False,
        "verification": verifications.payload(db, email["id"]),
        "linked_to": [],
        "matches_sso_connection": False,
        "created_at": email["created_at"],
        "updated_at": email["updated_at"],
    }


def _email_addresses(db: sqlite3.Connection, user_id: str) -> list[dict[str, Any]]:
    rows = db.execute("SELECT * FROM email_addresses WHERE user_id = ? ORDER BY created_at, rowid", (user_id,))
    return [email_address_payload(db, row) for row in rows]


def phone_number_payload(db: sqlite3.Connection, phone: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": phone["id"],
        "object": "phone_number",
        "phone_number": phone["phone_number"],
        "reserved_for_second_factor": bool(phone["reserved_for_second_factor"]),
        "default_second_factor": False,
        "reserved": False,
        "verification": verifications.payload(db, phone["id"]),
        "linked_to": [],
        "backup_codes": None,
        "created_at": phone["created_at"],
        "updated_at": phone["updated_at"],
    }


def _phone_numbers(db: sqlite3.Connection, user_id: str) -> list[dict[str, Any]]:
    rows = db.execute("SELECT * FROM phone_numbers WHERE user_id = ? ORDER BY created_at, rowid", (user_id,))
    return [phone_number_payload(db, row) for row in rows]


def _profile_image_id(db: sqlite3.Connection, user_id: str) -> str | None:
    row = db.execute("SELECT id FROM profile_images WHERE user_id = ?", (user_id,)).fetchone()
    return row["id"] if row else None
