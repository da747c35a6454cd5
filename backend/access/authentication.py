"""From a request to its caller: which credential it has, whose it is, and the state of that user, each time."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from flask import Request

from backend.access.identity import Identity, Kind
from backend.database.transactions import Transact
from backend.errors import AppError, ErrorCode
from backend.services.legacy_tokens import has_legacy_shape
from backend.services.plans.renewal import settle
from backend.services.users.accounts import Account
from config import Settings
from settings.types import CLERK_KEY_PREFIXES

COOKIE_NAME = "__session"
COOKIE_SUFFIX_LENGTH = 8
SCHEME = "bearer"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Authenticator:
    """Authenticates requests. One an application.

    The places of a request that may hold a credential, best first: X-API-Key, Authorization, session cookie. The first
    one that is there counts, good or bad: a bad one never falls back to the next. Of which kind it is is told by its
    place and shape, never by trying.
    """

    def __init__(
        self, settings: Settings, identify: Mapping[Kind, Callable[[str], Identity]], count: Callable[[int], object]
    ) -> None:
        """`identify`: of each kind, from a credential's text to its identity. `count`: told who made a good request."""
        self._identify = identify
        self._count = count
        self._key_prefix = f"{settings.api_key_prefix}_"
        self._accepts_legacy = settings.accepts_legacy_tokens
        self._cookie_names = session_cookie_names(settings.clerk_publishable_key)
        self._origins = frozenset(settings.allowed_origins)

    def authenticate(self, request: Request) -> Identity:
        """Raises AppError: 401 or 403 for the caller, 503 for our own trouble."""
        kind, value = self.find_credential(request)
        identity = self._identify[kind](value)
        if identity.user_id is not None:
            self._count(identity.user_id)
        return identity

    def find_credential(self, request: Request) -> tuple[Kind, str]:
        """What the request was sent with, unverified.

        Raises AppError: 401 without a usable credential, 403 for a cookie that a foreign page may have sent.
        """
        key: str | None = request.environ.get("HTTP_X_API_KEY")
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
                "Keys and tokens that Clerk made for machines are not accepted. Send an API key of this application.",
            )
        if key is not None or value.startswith(self._key_prefix):
            return "api-key", value
        if self._accepts_legacy and has_legacy_shape(value):
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


def admit(
    kind: Kind,
    account: Account,
    transact: Transact,
    read_again: Callable[[], Account | None],
    **of_credential: Any,  # noqa: ANN401 - fields of Identity
) -> Identity:
    """The identity of a user who may come in. `of_credential`: what its fields are by the credential alone.

    Subscription and the usage row of this month are made now if missing. A plan that was canceled and has come to its
    end is taken back now.

    Raises AppError: 401 or 403 by the state of the user, whatever the credential.
    """
    if account.deleted_at is not None:
        raise AppError(ErrorCode.USER_DELETED, "This user was deleted.")
    if account.session_revoked:
        raise AppError(ErrorCode.SESSION_REVOKED, "The session has ended. Sign in again.")
    if account.banned:
        raise AppError(ErrorCode.USER_BANNED, "This user is banned.")
    if not account.is_active:
        raise AppError(ErrorCode.FORBIDDEN, "This user was deactivated. Ask an administrator.")
    if not account.is_settled:
        user_id = account.user_id
        transact(lambda connection: settle(connection, user_id), user=account.clerk_user_id or user_id)
        again = read_again()
        if again is None or not again.is_settled:
            # The month ended between making its row and reading it.
            raise AppError(ErrorCode.DATABASE_UNAVAILABLE, "A new month has just begun. Try again.")
        account = again
    return Identity(
        kind=kind,
        account=account,
        user_id=account.user_id,
        clerk_user_id=account.clerk_user_id,
        role=account.role,
        plan=account.plan,
        **of_credential,
    )
