"""Where a request carries its session token: the Authorization header, else Clerk's session cookie."""

import base64
import hashlib

from flask import Request

from backend.errors import AppError, ErrorCode

COOKIE_NAME = "__session"
COOKIE_SUFFIX_LENGTH = 8
SCHEME = "bearer"


def session_cookie_names(publishable_key: str) -> tuple[str, ...]:
    """The cookies to look at, best first.

    Clerk adds a suffix made from the publishable key, because several applications on one host share cookies.
    """
    if not publishable_key:
        return (COOKIE_NAME,)
    digest = base64.urlsafe_b64encode(hashlib.sha1(publishable_key.encode(), usedforsecurity=False).digest())
    return (f"{COOKIE_NAME}_{digest[:COOKIE_SUFFIX_LENGTH].decode()}", COOKIE_NAME)


def find_session_token(request: Request, cookie_names: tuple[str, ...], origins: frozenset[str]) -> str:
    """The token of a request. A header that is there counts, good or bad; only without one the cookie does.

    Raises AppError (401).
    """
    header: str | None = request.environ.get("HTTP_AUTHORIZATION")
    if header is not None:
        return _bearer_token(header)
    if _is_same_site(request, origins):
        for name in cookie_names:
            if token := request.cookies.get(name):
                return token
    raise AppError(ErrorCode.SESSION_TOKEN_MISSING, "Sign in: send Authorization: Bearer <session token>.")


def _bearer_token(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != SCHEME or not token:
        raise AppError(ErrorCode.TOKEN_INVALID, "The Authorization header must be: Bearer <session token>.")
    return token


def _is_same_site(request: Request, origins: frozenset[str]) -> bool:
    """Whether the browser says that the request comes from this site or an allowed origin.

    A foreign page can make a browser send the cookie; it cannot make it hide where the request came from. Programs
    send neither header, and hold the cookie only because somebody gave it to them.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "same-site", "none"}:
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin in origins or origin == request.host_url.rstrip("/")
