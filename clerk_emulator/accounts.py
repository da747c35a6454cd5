"""What an administrator does to a user and, with that, to the user's sessions."""

import sqlite3
from typing import Any, Literal

from clerk_emulator import sessions, users
from clerk_emulator.context import Change
from clerk_emulator.events import emit_user_deleted
from clerk_emulator.payloads import deleted_user_payload

Flag = Literal["banned", "locked", "deprovisioned"]


def set_flag(change: Change, user: sqlite3.Row, flag: Flag, *, value: bool) -> sqlite3.Row:
    """Set or clear a flag; one that is so already sends nothing."""
    if user[flag] == value:
        return user
    return users.update(change, user, {flag: value})


def ban(change: Change, user: sqlite3.Row) -> sqlite3.Row:
    """Keep the user out, from now on and from every session there is."""
    banned = set_flag(change, user, "banned", value=True)
    sessions.close_all(change, user["id"], "revoked")
    return banned


def deprovision(change: Change, user: sqlite3.Row) -> sqlite3.Row:
    """Do what a directory does that switches the user off: it cannot be undone from here."""
    deprovisioned = set_flag(change, user, "deprovisioned", value=True)
    sessions.close_all(change, user["id"], "revoked")
    return deprovisioned


def delete(change: Change, user: sqlite3.Row) -> dict[str, Any]:
    """Delete the user and return what is left of them."""
    sessions.close_all(change, user["id"], "ended")
    change.db.execute("DELETE FROM users WHERE id = ?", (user["id"],))
    emit_user_deleted(change, user)
    return deleted_user_payload(user)
