"""What happens to the addresses of a user. Each change is one of the user too, and sends `user.updated`."""

import sqlite3
from http import HTTPStatus

from clerk_emulator import emails, store, users, verifications
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, invalid_parameter, not_found
from clerk_emulator.ids import new_id

STRATEGY = "email_code"


def find(db: sqlite3.Connection, email_address_id: str, *, user_id: str | None = None) -> sqlite3.Row:
    """Find an address; with `user_id` only among that user's."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM email_addresses WHERE id = ? AND user_id = coalesce(?, user_id)", (email_address_id, user_id)
    ).fetchone()
    if row is None:
        raise not_found("email address", email_address_id)
    return row


def proved(db: sqlite3.Connection, user: sqlite3.Row) -> list[sqlite3.Row]:
    """List the addresses the user proved, the primary one first, then the oldest."""
    return db.execute(
        "SELECT e.* FROM email_addresses AS e JOIN verifications AS v ON v.owner_id = e.id"
        " WHERE e.user_id = ? AND v.status = 'verified' ORDER BY e.id = ? DESC, e.created_at, e.rowid",
        (user["id"], user["primary_email_address_id"]),
    ).fetchall()


def add(change: Change, user: sqlite3.Row, address: str, *, verified_by: str | None = None) -> sqlite3.Row:
    """Give the user another address, which nobody has yet; `verified_by` is the strategy that proved it, None for
    unproved.
    """
    users.refuse_taken(change.db, "email_address", [address])
    now = now_ms()
    email_address_id = new_id("idn")
    row = {"id": email_address_id, "user_id": user["id"], "email_address": address}
    store.insert(change.db, "email_addresses", row | {"created_at": now, "updated_at": now})
    if verified_by:
        confirm(change, email_address_id, verified_by)
    else:
        users.touch(change, user)
    return find(change.db, email_address_id)


def prepare(change: Change, user: sqlite3.Row, email: sqlite3.Row, strategy: str) -> None:
    """Send a code to the address."""
    if strategy != STRATEGY:
        message = f"{strategy} is not emulated."
        raise invalid_parameter("strategy", "form_param_value_invalid", "is invalid", message)
    if verifications.is_verified(change.db, email["id"]):
        raise verifications.already_done()
    verifications.prepare(change.db, email["id"], STRATEGY)
    emails.send_code(change, email["email_address"], email_address_id=email["id"], user=user)


def attempt(change: Change, email: sqlite3.Row, code: str) -> ClerkError | None:
    """Try a code. A wrong one is returned, for the attempt is to be committed too."""
    refusal = verifications.attempt(change.db, email["id"], code)
    if refusal is None:
        _announce_proof(change, email["id"])
    return refusal


def confirm(change: Change, email_address_id: str, strategy: str) -> None:
    """Note a proof that needed no code; one that is proved already sends nothing."""
    if not verifications.is_verified(change.db, email_address_id):
        verifications.confirm(change.db, email_address_id, strategy)
        _announce_proof(change, email_address_id)


def doubt(change: Change, email: sqlite3.Row) -> None:
    """Take the proof of an address back, also of a primary one."""
    if verifications.is_verified(change.db, email["id"]):
        verifications.forget(change.db, email["id"])
        store.update(change.db, "email_addresses", email["id"], {"updated_at": now_ms()})
        users.touch(change, users.find(change.db, email["user_id"]))


def remove(change: Change, user: sqlite3.Row, email: sqlite3.Row) -> None:
    """Take an address away; the oldest proved one takes the place of a primary one."""
    others = [other for other in proved(change.db, user) if other["id"] != email["id"]]
    if verifications.is_verified(change.db, email["id"]) and user["username"] is None:
        refuse_last_identification(others)
    change.db.execute("DELETE FROM email_addresses WHERE id = ?", (email["id"],))
    primary = user["primary_email_address_id"]
    if primary == email["id"]:
        primary = others[0]["id"] if others else None
    users.touch(change, user, {"primary_email_address_id": primary})


def refuse_last_identification(left: list[sqlite3.Row]) -> None:
    """Refuse to leave a user with no proved address and no username; `left` is what would remain of the former."""
    if not left:
        message = "You cannot delete your last identification."
        raise ClerkError(HTTPStatus.FORBIDDEN, "last_identification_deletion_failed", message, message)


def refuse_unproved(db: sqlite3.Connection, email_address_id: str) -> None:
    """Refuse an address as the primary one before its user has proved it."""
    if not verifications.is_verified(db, email_address_id):
        message = "Only a verified email address can be the primary one."
        raise invalid_parameter("primary_email_address_id", "form_param_value_invalid", "is invalid", message)


def _announce_proof(change: Change, email_address_id: str) -> None:
    """The first address a user proves is the primary one."""
    email = find(change.db, email_address_id)
    user = users.find(change.db, email["user_id"])
    primary = user["primary_email_address_id"] or email_address_id
    store.update(change.db, "email_addresses", email_address_id, {"updated_at": now_ms()})
    users.touch(change, user, {"primary_email_address_id": primary})
