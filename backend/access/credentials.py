"""Which credential a request has, unverified. Imports nothing of models or settings: other applications take it too."""

import base64
import hashlib
from collections.abc import Callable, Iterable
from typing import Literal

from flask import Request

from backend.errors import AppError, ErrorCode
from backend.services.core.clerk_keys import CLERK_KEY_PREFIXES

Kind = Literal["clerk", "api-key", "legacy"]

COOKIE_NAME = "__session"
COOKIE_SUFFIX_LENGTH = 8
SCHEME = "bearer"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class CredentialFinder:
    """Finds the credential of a request. One an application.

    The places that may hold one, best first: X-API-Key, Authorization, session cookie. The first one that is there
    counts, good or bad: a bad one never falls back to the next. Of which kind it is is told by its place and shape,
    never by trying.
    """

    def __init__(
        self,
        publishable_key: str,
        allowed_origins: Iterable[str],
        api_key_prefix: str | None = None,
        has_legacy_shape: Callable[[str], bool] | None = None,
    ) -> None:
        """`allowed_origins`: of pages whose cookie counts, beside those of this host.

        Without `api_key_prefix` or `has_legacy_shape` nothing is found to be of that kind, and X-API-Key is not read.
        """
        self._cookie_names = session_cookie_names(publishable_key)
        self._origins = frozenset(allowed_origins)
        self._key_prefixes = (api_key_prefix,) if api_key_prefix else ()
        self._has_legacy_shape = has_legacy_shape

    def find(self, request: Request) -> tuple[Kind, str]:
        """What the request was sent with.

        Raises AppError: 401 without a usable credential, 403 for a cookie that a foreign page may have sent.
        """
        key: str | None = request.environ.get("HTTP_X_API_KEY") if self._key_prefixes else None
        header: str | None = request.environ.get("HTTP_AUTHORIZATION")
        if key is not None:
            value = key
        elif header is None:
            return "clerk", self._from_cookie(request)
        else:
            scheme, _, value = header.partition(" ")
            if scheme.lower() != SCHEME or not value:
                raise AppError(ErrorCode.TOKEN_INVALID, "The Authorization header must be: Bearer <session token>.")
        if value.startswith(CLERK_KEY_PREFIXES):
            # Clerk's machine credentials would need a paid call to Clerk for each request; its secret keys, worse.
            raise AppError(
                ErrorCode.TOKEN_TYPE_MISMATCH,
                "Keys and tokens that Clerk made for machines are not accepted. Send one that this application takes.",
            )
        if key is not None or value.startswith(self._key_prefixes):
            return "api-key", value
        if self._has_legacy_shape is not None and self._has_legacy_shape(value):
            return "legacy", value
        return "clerk", value

    def _from_cookie(self, request: Request) -> str:
        """The session token in the cookie, where the browser says that a page of ours sent it.

        A foreign page can make a browser send the cookie; it cannot make it hide where the request came from.
        """
        token = next((value for name in self._cookie_names if (value := request.cookies.get(name))), None)
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        is_allowed = origin is not None and (origin in self._origins or origin == request.host_url.rstrip("/"))
        if token is not None and request.method not in SAFE_METHODS:
            # Silence is not enough for a change: what sends neither header is no browser of today, and can send the
            # token itself.
            is_own = site == "same-origin" if origin is None else is_allowed
            if not is_own or site == "cross-site":
                raise AppError(
                    ErrorCode.CSRF,
                    "A cookie is not enough for this request: send Authorization: Bearer <session token>.",
                )
            return token
        # Programs send neither header, and hold the cookie only because somebody gave it to them.
        is_same_site = site in {None, "same-origin", "same-site", "none"} and (origin is None or is_allowed)
        if token is None or not is_same_site:
            raise AppError(ErrorCode.SESSION_TOKEN_MISSING, "Sign in: send Authorization: Bearer <session token>.")
        return token


def session_cookie_names(publishable_key: str) -> tuple[str, ...]:
    """The cookies to look at, best first.

    Clerk adds a suffix made from the publishable key, because several applications on one host share cookies.
    """
    if not publishable_key:
        return (COOKIE_NAME,)
    digest = base64.urlsafe_b64encode(hashlib.sha1(publishable_key.encode(), usedforsecurity=False).digest())
    return (f"{COOKIE_NAME}_{digest[:COOKIE_SUFFIX_LENGTH].decode()}", COOKIE_NAME)
