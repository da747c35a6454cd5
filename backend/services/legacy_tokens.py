"""The old application's tokens: JWTs under HS256, with one shared secret.

Strictly apart from Clerk's. Nothing here ever sees a public key and nothing there this secret, so neither can be taken
for the other (RFC 8725 section 3.1).
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from jwt.algorithms import HMACAlgorithm

from backend.errors import AppError, ErrorCode
from backend.models.base import LAST_ID, UNSTORABLE, read_id
from backend.services.core.claims import check_audience, check_times, invalid_claim, read_claims
from backend.services.core.encoding import decode_base64url, decode_json_object
from backend.services.core.token_form import OAUTH_TYPES, check_signing, split_token
from settings.weak_secrets import MIN_SECRET_BYTES

MAX_HEADER_LENGTH = 1024  # an HS256 header is about 36 characters long, 100 with a key id
MAX_EMAIL_LENGTH = 320

ALGORITHM = "HS256"
_HS256 = HMACAlgorithm(HMACAlgorithm.SHA256)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class LegacyRules:
    """How the old application signed. Empty issuer or audience: not checked; empty e-mail claim: none is read.

    `max_age`: seconds after which a token counts no more, whatever its `exp`.
    """

    secret: bytes = field(repr=False)
    issuer: str = ""
    audience: str = ""
    email_claim: str = ""
    max_age: float = 30 * 86_400

    def __post_init__(self) -> None:
        """Raises ValueError: an unset secret would be an empty key, and everybody can sign with that one."""
        if len(self.secret) < MIN_SECRET_BYTES:
            raise ValueError("the secret is too short")


class LegacyClaims(NamedTuple):
    """Whom the token speaks for: our `user_id`, or else an address. `expires_at` in Unix seconds, before the skew.

    `jti`: what the old application knew the token by when it was logged out.
    """

    user_id: int | None
    email: str | None
    expires_at: float
    jti: str | None


def has_legacy_shape(token: str) -> bool:
    """Whether the header asks for exactly HS256. Everything else, nonsense included, is for Clerk's verifier."""
    header, dot, _ = token[: MAX_HEADER_LENGTH + 1].partition(".")
    if not dot:
        return False
    try:
        return decode_json_object(decode_base64url(header.encode("ascii"))).get("alg") == ALGORITHM
    except ValueError:
        return False


def verify_legacy(token: str, rules: LegacyRules, now: float) -> LegacyClaims:
    """Return what a valid token says at the Unix time `now`. Raises AppError (401)."""
    header, payload, signature, signed = split_token(token)
    # As for Clerk's tokens, in the same order. A key id says nothing: there is one secret.
    if header.get("typ") in OAUTH_TYPES or "cat" in header:
        raise AppError(ErrorCode.TOKEN_TYPE_MISMATCH, "This is not an access token of the old application.")
    check_signing(header, ALGORITHM, f"Only {ALGORITHM} is accepted for legacy tokens.")
    if not _HS256.verify(signed, rules.secret, signature):
        raise AppError(ErrorCode.TOKEN_INVALID_SIGNATURE, "The token's signature is wrong.")
    claims = read_claims(payload)
    if claims.get("type") == "refresh":
        # Flask-JWT-Extended signs both kinds with one secret; a refresh token lives for a month.
        raise AppError(ErrorCode.TOKEN_TYPE_MISMATCH, "This is a refresh token. Send the access token.")
    user_id, email, name = None, None, rules.email_claim
    if name and name in claims:
        email = _email(claims[name], name)
    else:
        user_id = _user_id(claims.get("sub"))
    expires_at = check_times(claims, now)
    _check_age(claims.get("iat"), expires_at, rules.max_age, now)
    if rules.issuer and claims.get("iss") != rules.issuer:
        raise AppError(ErrorCode.TOKEN_INVALID_ISSUER, "The token was issued by another application.")
    check_audience(claims.get("aud"), frozenset({rules.audience} if rules.audience else ()))
    return LegacyClaims(user_id, email, expires_at, _jti(claims))


def _check_age(issued_at: object, expires_at: float, max_age: float, now: float) -> None:
    """A token that does not say how old it is counts for the last `max_age` before its end."""
    life = now - issued_at if isinstance(issued_at, int | float) else expires_at - now
    if life > max_age:
        raise AppError(ErrorCode.TOKEN_EXPIRED, "Tokens of the old login do not live so long. Sign in anew.")


def _jti(claims: dict[str, object]) -> str | None:
    if "jti" not in claims:
        return None
    jti = claims["jti"]
    if not isinstance(jti, str) or UNSTORABLE.search(jti):
        raise invalid_claim("jti")
    return jti


def _user_id(value: object) -> int:
    """A whole number, or its one decimal spelling: a second one would be a second name for the same user."""
    if isinstance(value, str):
        value = read_id(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LAST_ID:
        raise invalid_claim("sub")
    return value


def _email(value: object, name: str) -> str:
    """Not whether an address is well-formed, only that the database can look for it."""
    if not isinstance(value, str) or len(value) > MAX_EMAIL_LENGTH or not value.isprintable():
        raise invalid_claim(name)
    if not _EMAIL.fullmatch(value):
        raise invalid_claim(name)
    return value
