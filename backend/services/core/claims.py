"""The inside of a session token, read only after its signature was found good."""

import re
from dataclasses import dataclass
from typing import TypeGuard

from backend.errors import AppError, ErrorCode
from backend.services.core.encoding import decode_json_object
from backend.services.core.entitlements import NO_ENTITLEMENTS, Entitlements, read_entitlements

SKEW_SECONDS = 5.0
LAST_INSTANT = 253_402_300_799  # end of the year 9999: later ones overflow dates, here and in PostgreSQL
# Visible ASCII: Clerk's ids are; NUL and lone surrogates, which PostgreSQL cannot store, are not.
IDENTIFIER = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What this deployment demands beyond Clerk's own rules. Empty parties or audiences: not checked."""

    issuers: frozenset[str]
    authorized_parties: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()
    allow_missing_azp: bool = False


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """What a verified session token says. Times are Unix seconds.

    `expires_at`: before the skew. `as_of`: when Clerk looked up what the token says; 0 where it does not tell.
    """

    clerk_user_id: str
    session_id: str | None
    actor: str | None
    expires_at: float
    as_of: float = 0.0
    entitlements: Entitlements = NO_ENTITLEMENTS


def check_claims(payload: bytes, rules: ClaimRules, now: float, original_iat: float | None = None) -> SessionClaims:
    """Check every claim in Clerk's order (@clerk/backend verifyJwt), `iss` always. Raises AppError (401).

    `original_iat`: see token_form. No claim is newer than its token.
    """
    claims = read_claims(payload)
    subject = _identifier(claims, "sub")
    if subject is None:
        raise invalid_claim("sub")
    expires_at = check_times(claims, now)
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in rules.issuers:
        raise AppError(ErrorCode.TOKEN_INVALID_ISSUER, "The token was issued by another Clerk instance.")
    _check_authorized_party(claims, rules)
    check_audience(claims.get("aud"), rules.audiences)
    status = claims.get("sts", "active")
    if status == "pending":
        # A task is left, like joining an organization: Clerk treats such a session as signed out.
        raise AppError(ErrorCode.SESSION_PENDING, "The session is pending: finish signing in first.")
    if status != "active":
        raise invalid_claim("sts")
    session_id = _identifier(claims, "sid")
    actor = None
    if "act" in claims:  # somebody impersonates the user
        act = claims["act"]
        actor = _identifier(act, "sub") if isinstance(act, dict) else None
        if actor is None:
            raise invalid_claim("act")
    issued_at = _instant(claims, "iat") if "iat" in claims else 0.0
    return SessionClaims(
        clerk_user_id=subject,
        session_id=session_id,
        actor=actor,
        expires_at=expires_at,
        as_of=issued_at if original_iat is None else min(issued_at, original_iat),
        entitlements=read_entitlements(claims),
    )


def read_claims(payload: bytes) -> dict[str, object]:
    """Raises AppError (401)."""
    try:
        return decode_json_object(payload)
    except ValueError:
        raise invalid_claim("payload") from None


def invalid_claim(name: str) -> AppError:
    """The refusal of a claim that says nothing usable."""
    return AppError(ErrorCode.TOKEN_INVALID_CLAIMS, f"The token's claims are unusable: {name}.")


def _identifier(claims: dict[str, object], name: str) -> str | None:
    if name not in claims:
        return None
    value = claims[name]
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise invalid_claim(name)
    return value


def is_instant(value: object) -> TypeGuard[float]:
    """A NumericDate (RFC 7519): a number, and neither true, null, text, NaN, infinite nor beyond the calendar."""
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value <= LAST_INSTANT


def _instant(claims: dict[str, object], name: str) -> float:
    value = claims[name]
    if not is_instant(value):
        raise invalid_claim(name)
    return float(value)


def check_times(claims: dict[str, object], now: float) -> float:
    """Check `exp`, `nbf`, `iat` with Clerk's 5 s of skew; return `exp`."""
    if "exp" not in claims:
        raise invalid_claim("exp")
    instants = {name: _instant(claims, name) for name in ("exp", "nbf", "iat") if name in claims}
    if instants["exp"] <= now - SKEW_SECONDS:
        raise AppError(
            ErrorCode.TOKEN_EXPIRED, "The token has expired. Get a fresh one (Clerk: getToken()) and try again."
        )
    if instants.get("nbf", 0) > now + SKEW_SECONDS:
        raise AppError(ErrorCode.TOKEN_NOT_ACTIVE_YET, "The token is not valid yet. Check the server's clock.")
    if instants.get("iat", 0) > now + SKEW_SECONDS:
        raise AppError(
            ErrorCode.TOKEN_IAT_IN_THE_FUTURE, "The token was issued in the future. Check the server's clock."
        )
    return instants["exp"]


def _check_authorized_party(claims: dict[str, object], rules: ClaimRules) -> None:
    azp = claims.get("azp")
    if not rules.authorized_parties or (isinstance(azp, str) and azp in rules.authorized_parties):
        return
    if "azp" in claims:
        detail = "The token was made for another origin. Add yours to CLERK_AUTHORIZED_PARTIES."
    elif rules.allow_missing_azp:
        return
    else:
        detail = "The token has no azp claim. Set CLERK_MISSING_AZP=allow to accept such tokens."
    raise AppError(ErrorCode.TOKEN_INVALID_AUTHORIZED_PARTIES, detail)


def check_audience(audience: object, audiences: frozenset[str]) -> None:
    """RFC 7519: one text or a list of them; one common member is enough. Without audiences nothing is checked."""
    if not audiences:
        return
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(name, str) and name in audiences for name in named):
        raise AppError(ErrorCode.TOKEN_INVALID_AUDIENCE, "The token was made for another audience.")
