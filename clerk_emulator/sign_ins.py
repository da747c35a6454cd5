"""Sign-ins: who somebody says they are, and the proofs they give."""

import sqlite3
from http import HTTPStatus
from typing import Any

from clerk_emulator import clients, email_addresses, emails, sessions, store, users, verifications
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError, invalid_parameter, not_found
from clerk_emulator.ids import new_id

PASSWORD = "password"  # noqa: S105 - a strategy
EMAIL_CODE = "email_code"
RESET_PASSWORD = "reset_password_email_code"  # noqa: S105 - a strategy
TICKET = "ticket"

_LIFETIME = 24 * 60 * 60 * 1000
_SLUGS = {EMAIL_CODE: "verification_code", RESET_PASSWORD: "reset_password_code"}


def find(db: sqlite3.Connection, client: sqlite3.Row, sign_in_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM sign_ins WHERE id = ? AND client_id = ?", (sign_in_id, client["id"])
    ).fetchone()
    if row is None:
        raise not_found("sign in", sign_in_id)
    return row


def create(change: Change, client: sqlite3.Row, user: sqlite3.Row | None, identifier: str | None) -> sqlite3.Row:
    """Begin a sign-in, of nobody yet when `user` is None; it takes the place of one this browser had begun."""
    user_id = user["id"] if user else None
    clients.refuse_second_session(change, client, user_id)
    if user:
        sessions.refuse_if_kept_out(user)
    now = now_ms()
    row = {
        "id": new_id("sia"),
        "client_id": client["id"],
        "status": "needs_first_factor" if user else "needs_identifier",
        "identifier": identifier,
        "user_id": user_id,
        "created_at": now,
        "abandon_at": now + _LIFETIME,
    }
    store.insert(change.db, "sign_ins", row)
    clients.update(change.db, client, sign_in_id=row["id"])
    return find(change.db, client, row["id"])


def identify(db: sqlite3.Connection, identifier: str) -> sqlite3.Row:
    """Find the user by an address they proved, or by their username."""
    row: sqlite3.Row | None = db.execute(
        "SELECT u.* FROM users AS u JOIN email_addresses AS e ON e.user_id = u.id"
        " JOIN verifications AS v ON v.owner_id = e.id"
        " WHERE e.email_address = :address AND v.status = 'verified'"
        " UNION ALL SELECT * FROM users WHERE username = :identifier",
        # Lower case as addresses are stored: SQLite's own lower() knows ASCII only.
        {"identifier": identifier.strip(), "address": identifier.strip().lower()},
    ).fetchone()
    if row is None:
        message = "Couldn't find your account."
        raise invalid_parameter("identifier", "form_identifier_not_found", message, message)
    return row


def require_user(db: sqlite3.Connection, sign_in: sqlite3.Row) -> sqlite3.Row:
    """Give the user of a sign-in that is under way."""
    if sign_in["status"] == "complete" or sign_in["abandon_at"] <= now_ms():
        message = "This sign in is over. Start a new one."
        raise ClerkError(HTTPStatus.FORBIDDEN, "sign_in_forbidden", "Sign in is over", message)
    if sign_in["user_id"] is None:
        message = "This sign in needs an identifier first."
        raise invalid_parameter("identifier", "form_param_missing", "is missing", message)
    return users.find(db, sign_in["user_id"])


def require_doubtful_user(db: sqlite3.Connection, sign_in: sqlite3.Row) -> sqlite3.Row:
    """Give the user of a sign-in that still needs a proof. One that needs a new password takes nothing else."""
    user = require_user(db, sign_in)
    if sign_in["status"] != "needs_first_factor":
        message = "This sign in needs a new password."
        raise invalid_parameter("strategy", "form_param_value_invalid", "is invalid", message)
    return user


def prepare(change: Change, sign_in: sqlite3.Row, strategy: str, email_address_id: str | None = None) -> None:
    """Send a code to the address that is named; else to the one that identified the user, or the primary one."""
    user = require_doubtful_user(change.db, sign_in)
    email = _choose_address(email_addresses.proved(change.db, user), sign_in["identifier"], email_address_id)
    if strategy not in _SLUGS or email is None:
        message = f"{strategy} is not available for this account, or not emulated."
        raise invalid_parameter("strategy", "strategy_for_user_invalid", "is invalid", message)
    verifications.prepare(change.db, sign_in["id"], strategy)
    emails.send_code(change, email["email_address"], email_address_id=email["id"], user=user, slug=_SLUGS[strategy])


def attempt_code(
    change: Change, client: sqlite3.Row, sign_in: sqlite3.Row, strategy: str, code: str
) -> ClerkError | None:
    """Try a code. A wrong one is returned, for the attempt is to be committed too."""
    require_doubtful_user(change.db, sign_in)
    prepared = verifications.find(change.db, sign_in["id"])
    if prepared is None or prepared["strategy"] != strategy:
        raise verifications.missing()
    refusal = verifications.attempt(change.db, sign_in["id"], code)
    if refusal is None and strategy == RESET_PASSWORD:
        store.update(change.db, "sign_ins", sign_in["id"], {"status": "needs_new_password"})
    elif refusal is None:
        complete(change, client, sign_in, strategy)
    return refusal


def complete(
    change: Change,
    client: sqlite3.Row,
    sign_in: sqlite3.Row,
    strategy: str,
    *,
    actor: str | None = None,
    lifetime: int | None = None,
) -> None:
    """Start the session. `actor` and `lifetime` are those of a ticket."""
    user = require_user(change.db, sign_in)
    session = clients.sign_in(change, client, user, strategy, actor=actor, lifetime=lifetime)
    if strategy in {PASSWORD, TICKET}:
        verifications.confirm(change.db, sign_in["id"], strategy)
    done = {"status": "complete", "created_session_id": session["id"]}
    store.update(change.db, "sign_ins", sign_in["id"], done)
    clients.update(change.db, client, sign_in_id=None)


def reset_password(
    change: Change, client: sqlite3.Row, sign_in: sqlite3.Row, columns: dict[str, Any], *, sign_out: bool
) -> None:
    """Give the user the new password and sign them in here; with `sign_out`, out everywhere else."""
    if sign_in["status"] != "needs_new_password":
        raise verifications.missing()
    user = users.update(change, require_user(change.db, sign_in), columns)
    if sign_out:
        sessions.close_all(change, user["id"], "revoked")
    complete(change, client, sign_in, RESET_PASSWORD)


def _choose_address(
    proved: list[sqlite3.Row], identifier: str | None, email_address_id: str | None
) -> sqlite3.Row | None:
    if email_address_id:
        return next((email for email in proved if email["id"] == email_address_id), None)
    said = (identifier or "").strip().lower()
    primary = proved[0] if proved else None
    return next((email for email in proved if email["email_address"] == said), primary)
