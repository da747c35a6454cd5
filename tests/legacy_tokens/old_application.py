"""The application of the password era: it signed with one secret, as Flask-JWT-Extended does."""

import base64
import hmac
import json
import secrets
from typing import Any

from pydantic import SecretStr, TypeAdapter, ValidationError

from backend.errors import AppError
from backend.services.core.claims import ClaimRules
from backend.services.core.clerk_service import ClerkService
from backend.services.core.jwks import PemKey
from backend.services.legacy_tokens import LegacyClaims, LegacyRules, has_legacy_shape, verify_legacy
from settings.types import SymmetricSecret
from tests.support.clerk import Instance, b64url

NOW = 1_800_000_000.0
HEADER = {"alg": "HS256", "typ": "JWT"}
ACCEPTED = "accepted"
_SECRET: TypeAdapter[SecretStr] = TypeAdapter(SymmetricSecret)


class OldApplication:
    """Signs what it would sign, and what it would not. All tokens are of the time NOW."""

    def __init__(self) -> None:
        self.secret = secrets.token_bytes(32)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of an access token for user 7. A change to `...` drops the claim."""
        claims = {
            "fresh": False,
            "iat": int(NOW),
            "jti": "cd01a5b6-3f5a-4b0e-9f4f-5d2d0c9d8a11",
            "type": "access",
            "sub": "7",
            "nbf": int(NOW),
            "csrf": "0f6c7f0e-8f3a-4a39-8a3e-1f7b5b0c2d9e",
            "exp": int(NOW) + 900,
        } | changes
        return {name: value for name, value in claims.items() if value is not ...}

    def token(self, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """An access token. `headers` and `claims` change single members; `...` drops one."""
        header = HEADER | (headers or {})
        return self.sign(
            json.dumps({name: value for name, value in header.items() if value is not ...}).encode(),
            json.dumps(self.claims(**claims)).encode(),
        )

    def sign(self, header: bytes, payload: bytes) -> str:
        return self.sign_parts(b64url(header), b64url(payload))

    def sign_payload(self, payload: bytes) -> str:
        return self.sign(json.dumps(HEADER).encode(), payload)

    def sign_parts(self, header: bytes, payload: bytes, *, secret: bytes | None = None) -> str:
        """Two segments as they stand, with a good HS256 MAC over them, or that of another secret."""
        signed = header + b"." + payload
        key = self.secret if secret is None else secret
        return (signed + b"." + b64url(hmac.digest(key, signed, "sha256"))).decode()

    def claims_with(self, name: str, value: str) -> bytes:
        """Good claims as JSON text, one of them replaced by literal text that `json.dumps` might never write."""
        others = json.dumps(self.claims(**{name: ...}))
        return f'{others[:-1]}, "{name}": {value}}}'.encode()


class Door:
    """Both verifiers behind the one question that chooses between them."""

    def __init__(self, old: OldApplication, clerk: Instance) -> None:
        self.rules = LegacyRules(old.secret)
        rules = ClaimRules(issuers=frozenset({clerk.issuer}))
        self._clerk = ClerkService(PemKey(clerk.pem), rules, clock=lambda: NOW)

    def code(self, token: str) -> str:
        """The code of the refusal, or `accepted`."""
        if has_legacy_shape(token):
            return code_of(token, self.rules)
        try:
            self._clerk.verify(token)
        except AppError as error:
            return error.code.value
        return ACCEPTED


def verify(token: str, rules: LegacyRules) -> LegacyClaims:
    return verify_legacy(token, rules, NOW)


def code_of(token: str, rules: LegacyRules, now: float = NOW) -> str:
    """What `verify_legacy` alone refuses a token with, or `accepted`."""
    try:
        verify_legacy(token, rules, now)
    except AppError as error:
        return error.code.value
    return ACCEPTED


def secret_refusal(value: str) -> str | None:
    """The line that a secret is refused with as a setting, None when it is good. It never shows the value."""
    try:
        _SECRET.validate_python(value)
    except ValidationError as error:
        text = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        assert "\n" not in text
        assert len(value) < 8 or value not in text
        return text
    return None


def as_base64(data: bytes) -> str:
    """Any bytes as a setting."""
    return "base64:" + base64.b64encode(data).decode()
