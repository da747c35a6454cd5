"""ClerkService: who a session token speaks for."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from backend.errors import AppError, ErrorCode
from backend.services.core.claims import SKEW_SECONDS, ClaimRules, SessionClaims, check_claims
from backend.services.core.jwks import KeySource
from backend.services.core.public_keys import PublicKey, is_signed, usable_keys
from backend.services.core.token_form import original_iat, parse_token

MAX_REMEMBERED = 10_000  # about 10 MB
INSTANCE_PREFIX = "ins_"  # Clerk names its keys by the instance


class VerifiedToken(NamedTuple):
    """A token that was found good, tied to the key that proved it."""

    claims: SessionClaims
    kid: str | None
    key: PublicKey


class ClerkService:
    """Verifies Clerk session tokens in this process, without asking Clerk."""

    def __init__(
        self, keys: KeySource, rules: ClaimRules, instance_id: str = "", *, clock: Callable[[], float] = time.time
    ) -> None:
        """`instance_id`: of the Clerk instance, where the settings name it."""
        self._keys = keys
        self._rules = rules
        self._instance_id = instance_id
        self._clock = clock
        self._remembered: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    def verify(self, token: str) -> SessionClaims:
        """Return the claims of a valid session token. Raises AppError: 401, or 503 without keys.

        A good token is remembered by its SHA-256 until it expires or its key leaves the set: RS256 costs about 40 µs,
        the memory 1. What the user may do is never remembered here.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._remembered.get(digest)
        if (
            known is not None
            and known.claims.expires_at > self._clock() - SKEW_SECONDS
            and self._keys.get(known.kid) is known.key
        ):
            return known.claims
        kid, parts = parse_token(token)
        key = self._keys.get(kid)
        if not is_signed(parts.signed, parts.signature, key):
            raise AppError(ErrorCode.TOKEN_INVALID_SIGNATURE, "The token's signature is wrong.")
        claims = check_claims(parts.payload, self._rules, self._clock(), original_iat(parts.header))
        # Bounded: the oldest goes first.
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        self._remembered[digest] = VerifiedToken(claims, kid, key)
        return claims

    @property
    def instance_ids(self) -> tuple[str, ...]:
        """Of the Clerk instance: from the settings, else the ids of the keys that are loaded. Empty while unknown."""
        if self._instance_id:
            return (self._instance_id,)
        return tuple(kid for kid in self._keys.loaded if kid.startswith(INSTANCE_PREFIX))

    def shares_key(self, key_set: object) -> bool:
        """Whether a JWK set has a key that tokens are verified with: then it is of the same Clerk instance."""
        theirs = usable_keys(key_set).values()
        return any(key in theirs for key in self._keys.loaded.values())

    @property
    def keys_age(self) -> float | None:
        """Seconds since Clerk's keys were fetched; None where there are none, or need not be fetched."""
        return self._keys.age

    def check_keys(self) -> None:
        """Raise AppError (503) unless tokens can be verified."""
        self._keys.check()
