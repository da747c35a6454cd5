"""Proofs of an address: a code is sent, and somebody shows it."""

import sqlite3
from http import HTTPStatus
from typing import Any

from clerk_emulator.clock import now_ms
from clerk_emulator.errors import ClerkError, invalid_parameter

# The code that Clerk gives to its test addresses; here every address is one.
CODE = "424242"

_CODE_LIFETIME = 10 * 60 * 1000


def find(db: sqlite3.Connection, owner_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM verifications WHERE owner_id = ?", (owner_id,)).fetchone()
    return row


def is_verified(db: sqlite3.Connection, owner_id: str) -> bool:
    row = find(db, owner_id)
    return row is not None and row["status"] == "verified"


def prepare(db: sqlite3.Connection, owner_id: str, strategy: str) -> None:
    """Begin anew: an earlier code and its attempts are forgotten."""
    _write(db, owner_id, strategy, "unverified", now_ms() + _CODE_LIFETIME)


def confirm(db: sqlite3.Connection, owner_id: str, strategy: str) -> None:
    """Note a proof that needed no code."""
    _write(db, owner_id, strategy, "verified", None)


def forget(db: sqlite3.Connection, owner_id: str) -> None:
    db.execute("DELETE FROM verifications WHERE owner_id = ?", (owner_id,))


def attempt(db: sqlite3.Connection, owner_id: str, code: str) -> ClerkError | None:
    """Try a code. The refusal is returned and not raised, for the attempt is to be committed too."""
    row = find(db, owner_id)
    if row is None:
        raise missing()
    if row["status"] == "verified":
        raise already_done()
    if row["expire_at"] <= now_ms():
        message = "This verification has expired. You must create a new one."
        raise ClerkError(HTTPStatus.BAD_REQUEST, "verification_expired", "Verification expired", message)
    is_right = code == CODE
    db.execute(
        "UPDATE verifications SET attempts = attempts + 1, status = ? WHERE owner_id = ?",
        ("verified" if is_right else "unverified", owner_id),
    )
    return None if is_right else invalid_parameter("code", "form_code_incorrect", "is incorrect", "Incorrect code")


def missing() -> ClerkError:
    message = "You need to send a verification code before attempting to verify."
    return ClerkError(HTTPStatus.BAD_REQUEST, "verification_missing", "No verification prepared", message)


def already_done() -> ClerkError:
    message = "This verification has already been verified."
    return ClerkError(HTTPStatus.BAD_REQUEST, "verification_already_verified", message, message)


def payload(db: sqlite3.Connection, owner_id: str) -> dict[str, Any] | None:
    """Give a verification as Clerk's resources carry it; None before anything was asked for."""
    row = find(db, owner_id)
    if row is None:
        return None
    return {
        # An address added through the Backend API counts as verified by an administrator.
        "object": "verification_admin" if row["strategy"] == "admin" else "verification_otp",
        "status": _status(row),
        "strategy": row["strategy"],
        "attempts": row["attempts"] if row["expire_at"] else None,
        "expire_at": row["expire_at"],
    }


def _status(row: sqlite3.Row) -> str:
    is_over = row["status"] == "unverified" and row["expire_at"] is not None and row["expire_at"] <= now_ms()
    return "expired" if is_over else str(row["status"])


def _write(db: sqlite3.Connection, owner_id: str, strategy: str, status: str, expire_at: int | None) -> None:
    db.execute(
        "INSERT OR REPLACE INTO verifications (owner_id, strategy, status, attempts, expire_at) VALUES (?, ?, ?, 0, ?)",
        (owner_id, strategy, status, expire_at),
    )
