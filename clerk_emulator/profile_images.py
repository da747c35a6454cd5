"""The picture of a user: one, or none. Each change is one of the user too, and sends `user.updated`."""

import re
import sqlite3
from http import HTTPStatus

from clerk_emulator import store, users
from clerk_emulator.context import Change
from clerk_emulator.errors import ClerkError
from clerk_emulator.ids import new_id

MAX_BYTES = 10_000_000  # what Clerk's screens mean by 10 MB

# What a file begins with, and not what its sender calls it: an SVG or a page could run scripts in the emulator's
# origin.
_BEGINNINGS = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}


def find(db: sqlite3.Connection, image_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM profile_images WHERE id = ?", (image_id,)).fetchone()
    if row is None:
        raise _not_found()
    return row


def replace(change: Change, user: sqlite3.Row, content: bytes) -> str:
    """Give the user this picture in place of the one before; its id."""
    media_type = _media_type(content)
    image_id = new_id("img")  # a new one each time, for browsers keep what an address once gave them
    _delete(change.db, user["id"])
    row = {"user_id": user["id"], "id": image_id, "media_type": media_type, "content": content}
    store.insert(change.db, "profile_images", row)
    users.touch(change, user)
    return image_id


def remove(change: Change, user: sqlite3.Row) -> str:
    """Take the user's picture away; the id it had. Raises ClerkError when there is none."""
    image_id = _delete(change.db, user["id"])
    if image_id is None:
        raise _not_found()
    users.touch(change, user)
    return image_id


def too_large() -> ClerkError:
    message = f"A picture may have at most {MAX_BYTES // 1_000_000} MB."
    return ClerkError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "image_too_large", "Image too large", message)


def _media_type(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise too_large()
    for media_type, beginning in _BEGINNINGS.items():
        if beginning.match(content):
            return media_type
    raise ClerkError(
        HTTPStatus.BAD_REQUEST,
        "request_body_invalid",
        "Unsupported image type",
        "The file is no PNG, JPEG, GIF or WebP image.",
    )


def _delete(db: sqlite3.Connection, user_id: str) -> str | None:
    rows = db.execute("DELETE FROM profile_images WHERE user_id = ? RETURNING id", (user_id,)).fetchall()
    return rows[0]["id"] if rows else None


def _not_found() -> ClerkError:
    return ClerkError(HTTPStatus.NOT_FOUND, "image_not_found", "Image not found", "There is no such image.")
