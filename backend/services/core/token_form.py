"""The outside of a session token: three segments and a header that asks for nothing unusual.

All that can be refused here is refused before a key is looked for, so no such token costs a fetch.
"""

import contextlib
from typing import NamedTuple

from backend.errors import AppError, ErrorCode
from backend.services.core.claims import is_instant
from backend.services.core.encoding import decode_base64url, decode_json_object
from backend.services.core.public_keys import ALGORITHM

MAX_TOKEN_LENGTH = 8192
MAX_KID_LENGTH = 256

# Clerk's token categories (header `cat`, @clerk/backend jwtCategories): session tokens, and the category of
# instances that switched the marking off. A JWT template or M2M token outlives the session that made it.
SESSION_CATEGORY = "cl_B7d4PD111AAA"
SESSION_CATEGORIES = (SESSION_CATEGORY, "cl_I7d4PD111III")
OAUTH_TYPES = ("at+jwt", "application/at+jwt")
MACHINE_SUBJECT_PREFIX = "mch_"


class UnverifiedToken(NamedTuple):
    """The three parts of a compact JWS (RFC 7515), decoded, and the octets that are signed.

    Nothing in it is true until the signature is checked.
    """

    header: dict[str, object]
    payload: bytes
    signature: bytes
    signed: bytes


def split_token(token: str) -> UnverifiedToken:
    """Decode the three segments, the header as JSON. Raises AppError (401)."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise AppError(ErrorCode.TOKEN_INVALID, f"The token is longer than {MAX_TOKEN_LENGTH} characters.")
    try:
        header_part, payload_part, signature_part = token.encode("ascii").split(b".")
        header, payload, signature = map(decode_base64url, (header_part, payload_part, signature_part))
        signed = header_part + b"." + payload_part
        return UnverifiedToken(decode_json_object(header), payload, signature, signed)
    except ValueError:
        raise AppError(
            ErrorCode.TOKEN_INVALID, "The token is not a JWT: three base64url parts, dots between."
        ) from None


def parse_token(token: str) -> tuple[str | None, UnverifiedToken]:
    """Split a session token and check its form and header, in Clerk's order. Returns its key id and its parts.

    Raises AppError (401).
    """
    parts = split_token(token)
    header = parts.header
    if header.get("typ") in OAUTH_TYPES or header.get("cat", SESSION_CATEGORY) not in SESSION_CATEGORIES:
        raise AppError(
            ErrorCode.TOKEN_TYPE_MISMATCH, "This is not a session token. Send the one that Clerk's getToken() gives."
        )
    check_signing(header, ALGORITHM, f"Only tokens signed with {ALGORITHM} are accepted.")
    kid = header.get("kid")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID_LENGTH):
        raise AppError(ErrorCode.TOKEN_INVALID, "The token's key id is not a short text.")
    # Clerk's M2M tokens are signed with the same key; only the subject tells them apart in older ones. A payload that
    # cannot be read passes: after the signature it is refused with a reason that tells which of the two was wrong.
    subject = None
    with contextlib.suppress(ValueError):
        subject = decode_json_object(parts.payload).get("sub")
    if isinstance(subject, str) and subject.startswith(MACHINE_SUBJECT_PREFIX):
        raise AppError(ErrorCode.TOKEN_TYPE_MISMATCH, "This is a machine token, not a session token.")
    return kid, parts


def original_iat(header: dict[str, object]) -> float | None:
    """When Clerk looked up what the token says: one that is made at Clerk's edge has a fresh `iat`, and older claims.

    None where the header tells no time: members of it that mean nothing to us are ignored, as Clerk asks.
    """
    value = header.get("oiat")
    return float(value) if is_instant(value) else None


def check_signing(header: dict[str, object], algorithm: str, refusal: str) -> None:
    """Check `typ`, `alg` and extensions. `refusal`: what is said of another algorithm. Raises AppError (401)."""
    if header.get("typ", "JWT") != "JWT":
        raise AppError(ErrorCode.TOKEN_INVALID, "The token's header has an unknown typ.")
    if header.get("alg") != algorithm:
        raise AppError(ErrorCode.TOKEN_INVALID_ALGORITHM, refusal)
    # RFC 7515 section 4.1.11: an extension that is not understood makes the token invalid. None is.
    if "crit" in header or "b64" in header:
        raise AppError(ErrorCode.TOKEN_INVALID, "The token demands a JWS extension that is not supported.")
