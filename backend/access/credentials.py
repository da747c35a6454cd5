"""Where a request carries its credential, and of what kind it is: told by carrier and shape, never by trying."""

import base64
import hashlib
from typing import Literal, NamedTuple

from flask import Request

from backend.errors import AppError, ErrorCode
from backend.services.legacy_tokens import has_legacy_shape
from config import Settings
from settings.types import CLERK_KEY_PREFIXES

COOKIE_NAME = "__session"
COOKIE_SUFFIX_LENGTH = 8
SCHEME = "bearer"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Credential(NamedTuple):
    """What a request was sent with, unverified."""

    kind: Literal["clerk", "api-key", "legacy"]
    value: str


def session_cookie_names(publishable_key: str) -> tuple[str, ...]:
    """The cookies to look at, best first.

    Clerk adds a suffix made from the publishable key, because several applications on one host share cookies.
    """
    if not publishable_key:
        return (COOKIE_NAME,)
    digest = base64.urlsafe_b64encode(hashlib.sha1(publishable_key.encode(), usedforsecurity=False).digest())
    return (f"{COOKIE_NAME}_{digest[:COOKIE_SUFFIX_LENGTH].decode()}", COOKIE_NAME)


class Carriers:
    """The places of a request that may hold a credential, best first: X-API-Key, Authorization, session cookie.

    The first one that is there counts, good or bad: a bad one never falls back to the next.
    """

    def __init__(self, settings: Settings) -> None:
        self._key_prefix = f"{settings.api_key_prefix}_"
        self._accepts_legacy = settings.accepts_legacy_tokens
        self._cookie_names = session_cookie_names(settings.clerk_publishable_key)
        self._origins = frozenset(settings.allowed_origins)

    def find(self, request: Request) -> Credential:
        """Raises AppError: 401 without a usable credential, 403 for a cookie that a foreign page may have sent."""
        key: str | None = request.environ.get("HTTP_X_API_KEY")
        if key is not None:
            _refuse_clerk_key(key)
            return Credential("api-key", key)
        header: str | None = request.environ.get("HTTP_AUTHORIZATION")
        if header is not None:
            return self._from_bearer(_bearer_token(header))
        return Credential("clerk", self._from_cookie(request))

    def _from_bearer(self, token: str) -> Credential:
        if token.startswith(self._key_prefix):
            return Credential("api-key", token)
        if self._accepts_legacy and has_legacy_shape(token):
            return Credential("legacy", token)
        _refuse_clerk_key(token)
        return Credential("clerk", token)

    def _from_cookie(self, request: Request) -> str:
        token = next((value for name in self._cookie_names if (value := request.cookies.get(name))), None)
        if token is not None:
            if request.method not in SAFE_METHODS:
                self._check_own_page(request)
                return token
            if self._is_same_site(request):
                return token
        raise AppError(
            ErrorCode.SESSION_TOKEN_MISSING, "Sign in: send Authorization: Bearer <session token>."
        )

    def _check_own_page(self, request: Request) -> None:
        """Before a change, the browser must say that a page of ours asks for it: a foreign one cannot fake that.

        Silence is not enough here: what sends neither header is no browser of today, and can send the token itself.
        """
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site")
        is_own = site == "same-origin" if origin is None else self._is_allowed(origin, request)
        if not is_own or site == "cross-site":
            raise AppError(
                ErrorCode.CSRF,
                "A cookie is not enough for this request: send Authorization: Bearer <session token>.",
            )

    def _is_same_site(self, request: Request) -> bool:
        """Whether the browser says that the request comes from this site or an allowed origin.

        A foreign page can make a browser send the cookie; it cannot make it hide where the request came from.
        Programs send neither header, and hold the cookie only because somebody gave it to them.
        """
        if request.headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "same-site", "none"}:
            return False
        origin = request.headers.get("Origin")
        return origin is None or self._is_allowed(origin, request)

    def _is_allowed(self, origin: str, request: Request) -> bool:
        return origin in self._origins or origin == request.host_url.rstrip("/")


def _bearer_token(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != SCHEME or not token:
        raise AppError(ErrorCode.TOKEN_INVALID, "The Authorization header must be: Bearer <session token>.")
    return token


def _refuse_clerk_key(value: str) -> None:
    """Clerk's own machine credentials would need a paid call to Clerk for each request; its secret keys, worse."""
    if value.startswith(CLERK_KEY_PREFIXES):
        raise AppError(
            ErrorCode.TOKEN_TYPE_MISMATCH,
            "Keys and tokens that Clerk made for machines are not accepted. Send an API key of this application.",
        )
