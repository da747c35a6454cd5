"""Whose pages may use the emulator. Its code is known to all: any other page could sign in as anybody."""

import re
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import request

from clerk_emulator.context import current_emulator
from clerk_emulator.errors import ClerkError

LOOPBACK = r"https?://([\w-]+\.)*localhost(:\d+)?|https?://(127\.0\.0\.1|\[::1\])(:\d+)?"


def refuse_strangers() -> None:
    """Refuse pages of other origins, and names that lead here only because somebody's name server says so."""
    if (origin := request.headers.get("Origin")) is not None and not _is_allowed(origin):
        raise _refusal(origin, "The request's Origin")
    if not _is_allowed(f"http://{request.host}") and request.host not in _allowed_hosts():
        raise _refusal(request.host, "The request's Host")


def _is_allowed(origin: str) -> bool:
    return re.fullmatch(LOOPBACK, origin) is not None or origin in current_emulator().allowed_origins


def _allowed_hosts() -> set[str]:
    return {urlsplit(origin).netloc for origin in current_emulator().allowed_origins}


def _refusal(value: str, subject: str) -> ClerkError:
    message = f"{subject}, {value}, is neither of this machine nor allowed by --allow-origin."
    return ClerkError(HTTPStatus.FORBIDDEN, "origin_invalid", "Invalid origin", message)
