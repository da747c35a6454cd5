"""Sign-ups: what a person has given so far, until there is enough of it to make a user."""

import json
import sqlite3
from http import HTTPStatus
from typing import Any

from clerk_emulator import clients, emails, store, users, verifications
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, invalid_parameter, not_found
from clerk_emulator.ids import new_id

STRATEGY = "email_code"

_LIFETIME = 24 * 60 * 60 * 1000
_USER_COLUMNS = ("username", "first_name", "last_name", "locale", "password_hash")


def find(db: sqlite3.Connection, client: sqlite3.Row, sign_up_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM sign_ups WHERE id = ? AND client_id = ?", (sign_up_id, client["id"])
    ).fetchone()
    if row is None:
        raise not_found("sign up", sign_up_id)
    return row


def find_open(db: sqlite3.Connection, client: sqlite3.Row, sign_up_id: str) -> sqlite3.Row:
    """Find a sign-up that can still be worked on."""
    sign_up = find(db, client, sign_up_id)
    if sign_up["created_user_id"] or sign_up["abandon_at"] <= now_ms():
        message = "This sign up is over. Start a new one."
        raise ClerkError(HTTPStatus.FORBIDDEN, "sign_up_forbidden", "Sign up is over", message)
    return sign_up


def create(change: Change, client: sqlite3.Row, columns: dict[str, Any]) -> sqlite3.Row:
    """Begin a sign-up; it takes the place of one that this browser had begun."""
    clients.refuse_second_session(change, client)
    _refuse_taken(change.db, columns)
    now = now_ms()
    row = columns | {"id": new_id("sua"), "client_id": client["id"], "created_at": now, "abandon_at": now + _LIFETIME}
    store.insert(change.db, "sign_ups", row)
    clients.update(change.db, client, sign_up_id=row["id"])
    return find(change.db, client, row["id"])


def update(change: Change, client: sqlite3.Row, sign_up: sqlite3.Row, columns: dict[str, Any]) -> sqlite3.Row:
    """Add to a sign-up. Another address is to be verified again."""
    _refuse_taken(change.db, columns)
    if columns.get("email_address", sign_up["email_address"]) != sign_up["email_address"]:
        verifications.forget(change.db, sign_up["id"])
    if columns:
        store.update(change.db, "sign_ups", sign_up["id"], columns)
    return complete_if_ready(change, client, find(change.db, client, sign_up["id"]))


def prepare(change: Change, sign_up: sqlite3.Row, strategy: str) -> None:
    """Send the code to the address."""
    _refuse_other_strategy(sign_up, strategy)
    verifications.prepare(change.db, sign_up["id"], STRATEGY)
    emails.send_code(change, sign_up["email_address"])


def attempt(change: Change, client: sqlite3.Row, sign_up: sqlite3.Row, strategy: str, code: str) -> ClerkError | None:
    """Try a code; the right one completes a sign-up that lacks nothing else. A wrong one is returned, to commit it."""
    _refuse_other_strategy(sign_up, strategy)
    refusal = verifications.attempt(change.db, sign_up["id"], code)
    if refusal is None:
        complete_if_ready(change, client, sign_up)
    return refusal


def missing_fields(sign_up: sqlite3.Row) -> list[str]:
    return [] if sign_up["email_address"] else ["email_address"]


def unverified_fields(db: sqlite3.Connection, sign_up: sqlite3.Row) -> list[str]:
    is_open = sign_up["email_address"] and not verifications.is_verified(db, sign_up["id"])
    return ["email_address"] if is_open else []


def complete_if_ready(change: Change, client: sqlite3.Row, sign_up: sqlite3.Row) -> sqlite3.Row:
    """Make the user and sign them in, once nothing is missing and the address is proved."""
    if sign_up["created_user_id"] or missing_fields(sign_up) or unverified_fields(change.db, sign_up):
        return sign_up
    clients.refuse_second_session(change, client)
    columns = {name: sign_up[name] for name in _USER_COLUMNS if sign_up[name] is not None}
    if sign_up["password_hash"]:
        columns["password_last_updated_at"] = now_ms()
    columns["unsafe_metadata"] = json.loads(sign_up["unsafe_metadata"])
    try:
        user = users.create(change, columns, [sign_up["email_address"]], verified_by=STRATEGY)
    except ClerkError as taken_meanwhile:
        # The screen that asks for the code has no such field: it shows what concerns none.
        taken_meanwhile.body.pop("meta", None)
        raise
    session = clients.sign_in(change, client, user, STRATEGY)
    done = {"created_user_id": user["id"], "created_session_id": session["id"]}
    store.update(change.db, "sign_ups", sign_up["id"], done)
    clients.update(change.db, client, sign_up_id=None)
    return find(change.db, client, sign_up["id"])


def _refuse_other_strategy(sign_up: sqlite3.Row, strategy: str) -> None:
    if strategy != STRATEGY or sign_up["email_address"] is None:
        message = f"{strategy} is not available for this sign up, or not emulated."
        raise invalid_parameter("strategy", "form_param_value_invalid", "is invalid", message)


def _refuse_taken(db: sqlite3.Connection, columns: dict[str, Any]) -> None:
    users.refuse_taken_columns(db, columns)
    if address := columns.get("email_address"):
        users.refuse_taken(db, "email_address", [address])
