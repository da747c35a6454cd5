"""Passwords: slow to hash and to check by design, so neither is ever done inside a transaction."""

import sqlite3
from typing import Any

from werkzeug.security import check_password_hash, generate_password_hash

from clerk_emulator.clock import now_ms
from clerk_emulator.errors import invalid_parameter

MIN_LENGTH = 8
MAX_LENGTH = 72


def refuse_weak(password: str, param: str = "password") -> None:
    if len(password) < MIN_LENGTH:
        message = f"Passwords must be {MIN_LENGTH} characters or more."
        raise invalid_parameter(param, "form_password_length_too_short", message, message)


def user_columns(password: str | None) -> dict[str, Any]:
    """Give a password, None for none, as columns of the users table."""
    if password is None:
        return {"password_hash": None, "password_last_updated_at": None}
    return {"password_hash": generate_password_hash(password), "password_last_updated_at": now_ms()}


def is_right(user: sqlite3.Row, password: str) -> bool:
    """Tell whether this is the password of a user who has one."""
    return check_password_hash(user["password_hash"], password)


def refuse_wrong(user: sqlite3.Row, password: str, param: str = "password") -> None:
    """Raise ClerkError unless this is the user's password."""
    if user["password_hash"] is None:
        message = "This account has no password. Use another method."
        raise invalid_parameter(param, "strategy_for_user_invalid", message, message)
    if not is_right(user, password):
        message = "Password is incorrect. Try again, or use another method."
        raise invalid_parameter(param, "form_password_incorrect", message, message)
