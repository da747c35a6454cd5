"""The closed list of error codes and the one exception that carries them. No Flask here."""

import math
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType


class ErrorCode(StrEnum):
    """What went wrong, for programs. Clerk's own names where Clerk has one."""

    SESSION_TOKEN_MISSING = "session-token-missing"
    TOKEN_INVALID = "token-invalid"
    TOKEN_INVALID_ALGORITHM = "token-invalid-algorithm"
    TOKEN_TYPE_MISMATCH = "token-type-mismatch"
    JWK_KID_MISMATCH = "jwk-kid-mismatch"
    TOKEN_INVALID_SIGNATURE = "token-invalid-signature"
    TOKEN_INVALID_CLAIMS = "token-invalid-claims"
    TOKEN_EXPIRED = "token-expired"
    TOKEN_NOT_ACTIVE_YET = "token-not-active-yet"
    TOKEN_IAT_IN_THE_FUTURE = "token-iat-in-the-future"
    TOKEN_INVALID_ISSUER = "token-invalid-issuer"
    TOKEN_INVALID_AUTHORIZED_PARTIES = "token-invalid-authorized-parties"
    TOKEN_INVALID_AUDIENCE = "token-invalid-audience"
    SESSION_PENDING = "session-pending"
    SESSION_REVOKED = "session-revoked"
    USER_DELETED = "user-deleted"
    LEGACY_TOKEN_RETIRED = "legacy-token-retired"
    API_KEY_INVALID = "api-key-invalid"
    API_KEY_REVOKED = "api-key-revoked"
    API_KEY_EXPIRED = "api-key-expired"
    USER_BANNED = "user-banned"
    FORBIDDEN = "forbidden"
    INSUFFICIENT_SCOPE = "insufficient-scope"
    CSRF = "csrf"
    QUOTA_EXCEEDED = "quota-exceeded"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    CONFLICT = "conflict"
    PRECONDITION_FAILED = "precondition-failed"
    VALIDATION = "validation"
    MALFORMED_BODY = "malformed-body"
    WEBHOOK_HEADERS_MISSING = "webhook-headers-missing"
    WEBHOOK_SIGNATURE_INVALID = "webhook-signature-invalid"
    WEBHOOK_TIMESTAMP_OUT_OF_TOLERANCE = "webhook-timestamp-out-of-tolerance"
    PAYLOAD_TOO_LARGE = "payload-too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    JWKS_UNAVAILABLE = "jwks-unavailable"
    CLERK_UNAVAILABLE = "clerk-unavailable"
    DATABASE_UNAVAILABLE = "database-unavailable"
    WEBHOOK_FAILED = "webhook-failed"
    WEBHOOKS_NOT_CONFIGURED = "webhooks-not-configured"
    REQUEST_TIMEOUT = "request-timeout"
    INTERNAL = "internal"

    @property
    def status(self) -> HTTPStatus:
        return STATUS.get(self, HTTPStatus.UNAUTHORIZED)

    @property
    def summary(self) -> str:
        return self.value.replace("-", " ").capitalize()


# Every code that is not here is about the credential: 401.
STATUS: Mapping[ErrorCode, HTTPStatus] = MappingProxyType(
    {
        ErrorCode.USER_BANNED: HTTPStatus.FORBIDDEN,
        ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
        ErrorCode.INSUFFICIENT_SCOPE: HTTPStatus.FORBIDDEN,
        ErrorCode.CSRF: HTTPStatus.FORBIDDEN,
        ErrorCode.QUOTA_EXCEEDED: HTTPStatus.PAYMENT_REQUIRED,
        ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
        ErrorCode.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
        ErrorCode.CONFLICT: HTTPStatus.CONFLICT,
        ErrorCode.PRECONDITION_FAILED: HTTPStatus.PRECONDITION_FAILED,
        ErrorCode.VALIDATION: HTTPStatus.UNPROCESSABLE_ENTITY,
        ErrorCode.MALFORMED_BODY: HTTPStatus.BAD_REQUEST,
        ErrorCode.WEBHOOK_HEADERS_MISSING: HTTPStatus.BAD_REQUEST,
        ErrorCode.WEBHOOK_SIGNATURE_INVALID: HTTPStatus.BAD_REQUEST,
        ErrorCode.WEBHOOK_TIMESTAMP_OUT_OF_TOLERANCE: HTTPStatus.BAD_REQUEST,
        ErrorCode.PAYLOAD_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        ErrorCode.JWKS_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        ErrorCode.CLERK_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        ErrorCode.DATABASE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        ErrorCode.WEBHOOK_FAILED: HTTPStatus.SERVICE_UNAVAILABLE,
        ErrorCode.WEBHOOKS_NOT_CONFIGURED: HTTPStatus.SERVICE_UNAVAILABLE,
        ErrorCode.REQUEST_TIMEOUT: HTTPStatus.SERVICE_UNAVAILABLE,
        ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    }
)

RETRY_AFTER_SECONDS = 5


class AppError(Exception):
    """A refusal the client is told about.

    `detail` is for people and holds nothing of the request: no token, no secret, no e-mail address. `members` are
    further members of the problem document, for programs. `retry_after`: seconds, for a 503.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        members: Mapping[str, object] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code.value}: {detail}")
        self.code = code
        self.detail = detail
        self.members = members or {}
        self.retry_after = RETRY_AFTER_SECONDS if retry_after is None else max(1, math.ceil(retry_after))

    @property
    def headers(self) -> dict[str, str]:
        """RFC 6750 for a refused credential or scope, Retry-After where the trouble is ours and passing."""
        if self.code.status == HTTPStatus.UNAUTHORIZED:
            challenge = f'Bearer error="invalid_token", error_description="{self.code.value}"'
            return {"WWW-Authenticate": challenge}
        if self.code is ErrorCode.INSUFFICIENT_SCOPE:
            return {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
        if self.code.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return {"Retry-After": str(self.retry_after)}
        return {}

    def problem(self, request_id: str) -> dict[str, object]:
        """The RFC 9457 members, ready for `application/problem+json`."""
        return {
            "type": f"urn:counterfoil:error:{self.code.value}",
            "title": self.code.summary,
            "status": int(self.code.status),
            "code": self.code.value,
            "detail": self.detail,
            "request_id": request_id,
            **self.members,
        }
