"""ClerkService: who a session token speaks for, and what Clerk knows of a user."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Self

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from backend.errors import AppError, ErrorCode
from backend.services.clerk.client.backend_api import ClerkApi
from backend.services.core.claims import SKEW_SECONDS, ClaimRules, SessionClaims, check_claims
from backend.services.core.jwks import KeySource, PemKey, RemoteKeySet
from backend.services.core.token_form import parse_token
from config import Settings

MAX_TOKEN_LENGTH = 8192
MAX_REMEMBERED = 10_000  # about 10 MB

_RS256 = RSAAlgorithm(RSAAlgorithm.SHA256)


class Remembered(NamedTuple):
    """A token that was found good, tied to the key that proved it."""

    claims: SessionClaims
    kid: str | None
    key: RSAPublicKey


class ClerkService:
    """Verifies Clerk session tokens in this process, without asking Clerk, and reads users from Clerk's API."""

    def __init__(
        self,
        keys: KeySource,
        rules: ClaimRules,
        *,
        api: ClerkApi | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.api = api or ClerkApi("", "")
        self._keys = keys
        self._rules = rules
        self._clock = clock
        self._remembered: OrderedDict[bytes, Remembered] = OrderedDict()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        keys: KeySource
        if settings.clerk_jwt_key:
            keys = PemKey(settings.clerk_jwt_key)
        else:
            keys = RemoteKeySet(settings.jwks_url, settings.clerk_jwks_ttl)
        rules = ClaimRules(
            issuers=frozenset(settings.issuers),
            authorized_parties=frozenset(settings.clerk_authorized_parties),
            audiences=frozenset(settings.clerk_audience),
            allow_missing_azp=settings.clerk_missing_azp == "allow",
        )
        api = ClerkApi(settings.clerk_api_url, settings.clerk_secret_key.get_secret_value())
        return cls(keys, rules, api=api)

    def verify(self, token: str) -> SessionClaims:
        """Return the claims of a valid session token. Raises AppError: 401, or 503 without keys.

        A good token is remembered by its SHA-256 until it expires or its key leaves the set: RS256 costs about
        40 µs, the memory 1. What the user may do is never remembered here.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise AppError(
                ErrorCode.TOKEN_INVALID, f"The token is longer than {MAX_TOKEN_LENGTH} characters."
            )
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        remembered = self._remembered.get(digest)
        if remembered is not None and self._is_still_good(remembered):
            return remembered.claims
        verified = self._verify_anew(token)
        self._remember(digest, verified)
        return verified.claims

    def check_keys(self) -> None:
        """Raise AppError (503) unless tokens can be verified."""
        self._keys.check()

    def _verify_anew(self, token: str) -> Remembered:
        parsed = parse_token(token)
        key = self._keys.get(parsed.kid)
        if not _RS256.verify(parsed.signed, key, parsed.signature):
            raise AppError(ErrorCode.TOKEN_INVALID_SIGNATURE, "The token's signature is wrong.")
        return Remembered(check_claims(parsed.payload, self._rules, self._clock()), parsed.kid, key)

    def _is_still_good(self, remembered: Remembered) -> bool:
        is_alive = remembered.claims.expires_at > self._clock() - SKEW_SECONDS
        return is_alive and self._keys.get(remembered.kid) is remembered.key

    def _remember(self, digest: bytes, verified: Remembered) -> None:
        """Bounded: the oldest goes first."""
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        self._remembered[digest] = verified

    @property
    def can_read_users(self) -> bool:
        return self.api.is_configured

    def fetch_user(self, clerk_user_id: str) -> object:
        """The user as Clerk's Backend API gives it (the shape of a webhook's `data`).

        Takes at most 3 s. Raises FetchError.
        """
        return self.api.get_user(clerk_user_id)
