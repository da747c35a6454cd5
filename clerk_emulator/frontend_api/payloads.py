"""Rows of the store in the shapes of Clerk's Frontend API."""

import json
import sqlite3
from typing import Any

from clerk_emulator import (
    clients,
    email_addresses,
    memberships,
    sessions,
    sign_ins,
    sign_ups,
    tokens,
    users,
    verifications,
)
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.organization_payloads import membership_payload as backend_membership_payload
from clerk_emulator.payloads import public_user_data
from clerk_emulator.payloads import session_payload as backend_session_payload
from clerk_emulator.payloads import user_payload as backend_user_payload

_SIGN_UP_OPTIONAL_FIELDS = ["password", "first_name", "last_name", "username"]


def client_payload(change: Change, client: sqlite3.Row) -> dict[str, Any]:
    db = change.db
    sign_in = client["sign_in_id"] and sign_ins.find(db, client, client["sign_in_id"])
    sign_up = client["sign_up_id"] and sign_ups.find(db, client, client["sign_up_id"])
    now = now_ms()
    active = clients.active_sessions(db, client)
    last_active = clients.last_active(client, active)
    return {
        "object": "client",
        "id": client["id"],
        "sessions": [session_payload(change, row) for row in active],
        "sign_in": sign_in_payload(change, sign_in) if sign_in and sign_in["abandon_at"] > now else None,
        "sign_up": sign_up_payload(db, sign_up) if sign_up and sign_up["abandon_at"] > now else None,
        "last_active_session_id": last_active["id"] if last_active else None,
        "last_authentication_strategy": client["last_strategy"],
        "cookie_expires_at": None,
        "captcha_bypass": False,
        "created_at": client["created_at"],
        "updated_at": client["updated_at"],
    }


def session_payload(change: Change, session: sqlite3.Row) -> dict[str, Any]:
    user = users.find(change.db, session["user_id"])
    jwt = (
        sessions.browser_token(change, session, session["last_active_organization_id"])
        if session["status"] == "active"
        else None
    )
    return backend_session_payload(session) | {
        "factor_verification_age": tokens.factor_verification_age(session),
        "tasks": None,
        "user": user_payload(change, user),
        "public_user_data": public_user_data(change.db, user, change.emulator.url),
        "last_active_token": jwt and {"object": "token", "jwt": jwt},
    }


def user_payload(change: Change, user: sqlite3.Row) -> dict[str, Any]:
    payload = backend_user_payload(change.db, user, change.emulator.url)
    del payload["private_metadata"]
    rows = memberships.of_user(change.db, user["id"])
    organization_memberships = [membership_payload(change, row) for row in rows]
    return payload | {"profile_image_id": "", "organization_memberships": organization_memberships}


def membership_payload(change: Change, membership: sqlite3.Row) -> dict[str, Any]:
    payload = backend_membership_payload(change.db, membership, change.emulator.url, with_counts=True)
    del payload["private_metadata"], payload["organization"]["private_metadata"]
    return payload


def sign_up_payload(db: sqlite3.Connection, sign_up: sqlite3.Row) -> dict[str, Any]:
    return {
        "object": "sign_up",
        "id": sign_up["id"],
        "status": _sign_up_status(sign_up),
        "required_fields": ["email_address"],
        "optional_fields": _SIGN_UP_OPTIONAL_FIELDS,
        "missing_fields": sign_ups.missing_fields(sign_up),
        "unverified_fields": sign_ups.unverified_fields(db, sign_up),
        "verifications": {
            "email_address": _sign_up_verification(db, sign_up),
            "phone_number": None,
            "web3_wallet": None,
            "external_account": None,
        },
        "email_address": sign_up["email_address"],
        "phone_number": None,
        "web3_wallet": None,
        "external_account": None,
        "external_account_strategy": None,
        "username": sign_up["username"],
        "first_name": sign_up["first_name"],
        "last_name": sign_up["last_name"],
        "has_password": sign_up["password_hash"] is not None,
        "unsafe_metadata": json.loads(sign_up["unsafe_metadata"]),
        "created_user_id": sign_up["created_user_id"],
        "created_session_id": sign_up["created_session_id"],
        "abandon_at": sign_up["abandon_at"],
        "legal_accepted_at": None,
        "locale": sign_up["locale"],
        "timezone": None,
    }


def _sign_up_status(sign_up: sqlite3.Row) -> str:
    if sign_up["created_user_id"]:
        return "complete"
    return "abandoned" if sign_up["abandon_at"] <= now_ms() else "missing_requirements"


def _sign_up_verification(db: sqlite3.Connection, sign_up: sqlite3.Row) -> dict[str, Any] | None:
    if sign_up["email_address"] is None:
        return None
    # A strategy that stands here before a code was asked for makes Clerk's form believe that it was sent.
    nothing = {
        "object": "verification_otp",
        "status": "unverified",
        "strategy": None,
        "attempts": None,
        "expire_at": None,
    }
    found = verifications.payload(db, sign_up["id"])
    next_action = "needs_prepare" if found is None else "needs_attempt"
    if found and found["status"] == "verified":
        next_action = ""
    return (found or nothing) | {"next_action": next_action, "supported_strategies": [sign_ups.STRATEGY]}


def sign_in_payload(change: Change, sign_in: sqlite3.Row) -> dict[str, Any]:
    db = change.db
    user = users.find(db, sign_in["user_id"]) if sign_in["user_id"] else None
    return {
        "object": "sign_in",
        "id": sign_in["id"],
        "status": sign_in["status"],
        "supported_identifiers": ["email_address", "username"],
        "identifier": sign_in["identifier"],
        "user_data": user and public_user_data(db, user, change.emulator.url),
        "supported_first_factors": _first_factors(db, user) if user else [],
        "supported_second_factors": [],
        "first_factor_verification": verifications.payload(db, sign_in["id"]),
        "second_factor_verification": None,
        "created_session_id": sign_in["created_session_id"],
        "abandon_at": sign_in["abandon_at"],
    }


def _first_factors(db: sqlite3.Connection, user: sqlite3.Row) -> list[dict[str, Any]]:
    """List the ways this user can prove who they are."""
    factors: list[dict[str, Any]] = []
    if user["password_hash"]:
        factors.append({"strategy": sign_ins.PASSWORD})
    for email in email_addresses.proved(db, user):
        is_primary = email["id"] == user["primary_email_address_id"]
        to = {"email_address_id": email["id"], "safe_identifier": email["email_address"], "primary": is_primary}
        factors.append({"strategy": sign_ins.EMAIL_CODE, **to})
        factors.append({"strategy": sign_ins.RESET_PASSWORD, **to})
    return factors
