"""Reading a user out of what Clerk sends. Untrusted input: every value is checked before it nears the database."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from backend.services.core.claims import IDENTIFIER

# Longer ones do not exist (RFC 5321), and from 2.7 kB on one would not fit into an index.
MAX_EMAIL_LENGTH = 320
LAST_MILLISECOND = 253_402_300_799_999  # end of the year 9999


class Unprocessable(Exception):
    """Signed by Clerk and still unusable. The text names the field and holds no value of it."""


class Profile(NamedTuple):
    """The part of a Clerk user that Clerk owns and we copy. The fields are columns of `users`."""

    clerk_user_id: str
    email: str | None
    email_verified: bool
    username: str | None
    first_name: str | None
    last_name: str | None
    image_url: str | None
    external_id: str | None
    banned: bool
    locked: bool
    clerk_updated_at: datetime


def read_profile(data: object) -> Profile:
    """Read a Clerk User object (webhook `data` or Backend API answer). Unknown members do not matter.

    Raises Unprocessable.
    """
    if not isinstance(data, dict):
        raise Unprocessable("data is not an object")
    email, email_verified = _primary_email(data)
    return Profile(
        clerk_user_id=read_identifier(data, "id"),
        email=email,
        email_verified=email_verified,
        username=_text(data, "username"),
        first_name=_text(data, "first_name"),
        last_name=_text(data, "last_name"),
        image_url=_text(data, "image_url"),
        external_id=_text(data, "external_id"),
        banned=data.get("banned") is True,
        locked=data.get("locked") is True,
        clerk_updated_at=read_instant(data, "updated_at"),
    )


def read_identifier(data: dict[str, Any], name: str) -> str:
    """A Clerk id. Raises Unprocessable."""
    value = data.get(name)
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise Unprocessable(f"data.{name} is missing or not an id")
    return value


def read_instant(data: dict[str, Any], name: str) -> datetime:
    """A time in Unix milliseconds, exact to the millisecond. Raises Unprocessable."""
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LAST_MILLISECOND:
        raise Unprocessable(f"data.{name} is missing or not a time in milliseconds")
    return datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=value % 1000 * 1000)


def _primary_email(data: dict[str, Any]) -> tuple[str | None, bool]:
    """The address whose id is primary_email_address_id, and whether Clerk verified it. The list may be empty."""
    addresses = data.get("email_addresses")
    primary_id = data.get("primary_email_address_id")
    for address in addresses if isinstance(addresses, list) else ():
        if isinstance(address, dict) and primary_id is not None and address.get("id") == primary_id:
            verification = address.get("verification")
            status = verification.get("status") if isinstance(verification, dict) else None
            email = _text(address, "email_address")
            if email is not None and len(email) > MAX_EMAIL_LENGTH:
                raise Unprocessable("data.email_addresses has one that is too long")
            return email, email is not None and status == "verified"
    return None, False


def _text(data: dict[str, Any], name: str) -> str | None:
    """A text that PostgreSQL can hold: no NUL, no lone surrogate. Raises Unprocessable."""
    value = data.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or "\x00" in value or not _is_unicode(value):
        raise Unprocessable(f"data.{name} is not a text")
    return value


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
