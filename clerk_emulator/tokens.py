"""The tokens this instance signs, and the key set that verifies them."""

import json
import secrets
import sqlite3
from typing import Any

import jwt
from jwt.algorithms import RSAAlgorithm

from clerk_emulator import clock
from clerk_emulator.instance import ISSUER, Instance

DEFAULT_LIFETIME = 60
_SESSION_CATEGORY = "cl_B7d4PD111AAA"
_TEMPLATE_CATEGORY = "cl_B7d4PD222AAA"
# Clerk back-dates `nbf`, so that a verifier whose clock is behind accepts a fresh token.
_NOT_BEFORE_MARGIN = 10
_NO_SECOND_FACTOR = -1


def session_token(
    instance: Instance,
    session: sqlite3.Row,
    *,
    lifetime: int = DEFAULT_LIFETIME,
    origin: str | None = None,
    organization: dict[str, Any] | None = None,
) -> str:
    """Mint a version 2 session token.

    `origin` is the page's: without a browser there is none, and no `azp`. `organization` is what it says of the
    organization.
    """
    now = clock.now()
    claims = (
        _common_claims(session, now, lifetime, origin)
        | {"fva": factor_verification_age(session), "sid": session["id"], "sts": "active", "v": 2}
        | (organization or {})
    )
    if session["actor"]:
        claims["act"] = json.loads(session["actor"])
    return _sign(instance, claims, _SESSION_CATEGORY)


def factor_verification_age(session: sqlite3.Row) -> list[int]:
    """Tell how many minutes ago each of the two factors was proved, as the claim `fva`."""
    return [(clock.now() - session["created_at"] // 1000) // 60, _NO_SECOND_FACTOR]


def template_token(
    instance: Instance, session: sqlite3.Row, *, lifetime: int = DEFAULT_LIFETIME, origin: str | None = None
) -> str:
    """Mint the token of a JWT template that adds no claims. It has no `sid`, so it outlives its session."""
    claims = _common_claims(session, clock.now(), lifetime, origin)
    return _sign(instance, claims, _TEMPLATE_CATEGORY)


def ticket(instance: Instance, ticket_id: str, kind: str, expire_at: int) -> str:
    """Mint the token of a ticket. It names no user, so that nobody takes it for one of a session."""
    claims = {"exp": expire_at, "iid": instance.id, "sid": ticket_id, "st": kind}
    return _sign(instance, claims, _TEMPLATE_CATEGORY)


def key_set(instance: Instance) -> dict[str, list[dict[str, Any]]]:
    """Give the public half of the signing key as a JWKS document."""
    jwk = RSAAlgorithm.to_jwk(instance.signing_key.public_key(), as_dict=True)
    return {"keys": [{"use": "sig", "kty": "RSA", "kid": instance.id, "alg": "RS256", "n": jwk["n"], "e": jwk["e"]}]}


def _common_claims(session: sqlite3.Row, now: int, lifetime: int, origin: str | None) -> dict[str, Any]:
    claims = {
        "exp": now + lifetime,
        "iat": now,
        "iss": ISSUER,
        "jti": secrets.token_hex(10),
        "nbf": now - _NOT_BEFORE_MARGIN,
        "sub": session["user_id"],
    }
    return claims | {"azp": origin} if origin else claims


def _sign(instance: Instance, claims: dict[str, Any], category: str) -> str:
    # A Clerk key id is the instance id.
    headers = {"kid": instance.id, "cat": category}
    return jwt.encode(claims, instance.signing_key, algorithm="RS256", headers=headers)
