"""The closed list of error codes and the one exception that carries them. No Flask here."""

import math
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Self


class ErrorCode(StrEnum):
    """What went wrong, for programs, with its status. Clerk's own names where Clerk has one."""

    status: HTTPStatus

    def __new__(cls, value: str, status: HTTPStatus) -> Self:
        code = str.__new__(cls, value)
        code._value_ = value
        code.status = status
        return code

    SESSION_TOKEN_MISSING = "session-token-missing", HTTPStatus.UNAUTHORIZED
    TOKEN_INVALID = "token-invalid", HTTPStatus.UNAUTHORIZED
    TOKEN_INVALID_ALGORITHM = "token-invalid-algorithm", HTTPStatus.UNAUTHORIZED
    TOKEN_TYPE_MISMATCH = "token-type-mismatch", HTTPStatus.UNAUTHORIZED
    JWK_KID_MISMATCH = "jwk-kid-mismatch", HTTPStatus.UNAUTHORIZED
    TOKEN_INVALID_SIGNATURE = "token-invalid-signature", HTTPStatus.UNAUTHORIZED
    TOKEN_INVALID_CLAIMS = "token-invalid-claims", HTTPStatus.UNAUTHORIZED
    TOKEN_EXPIRED = "token-expired", HTTPStatus.UNAUTHORIZED
    TOKEN_NOT_ACTIVE_YET = "token-not-active-yet", HTTPStatus.UNAUTHORIZED
    TOKEN_IAT_IN_THE_FUTURE = "token-iat-in-the-future", HTTPStatus.UNAUTHORIZED
    TOKEN_INVALID_ISSUER = "token-invalid-issuer", HTTPStatus.UNAUTHORIZED
    TOKEN_INVALID_AUTHORIZED_PARTIES = "token-invalid-authorized-parties", HTTPStatus.UNAUTHORIZED
    TOKEN_INVALID_AUDIENCE = "token-invalid-audience", HTTPStatus.UNAUTHORIZED
    SESSION_PENDING = "session-pending", HTTPStatus.UNAUTHORIZED
    SESSION_REVOKED = "session-revoked", HTTPStatus.UNAUTHORIZED
    USER_DELETED = "user-deleted", HTTPStatus.UNAUTHORIZED
    LEGACY_TOKEN_RETIRED = "legacy-token-retired", HTTPStatus.UNAUTHORIZED
    API_KEY_INVALID = "api-key-invalid", HTTPStatus.UNAUTHORIZED
    API_KEY_REVOKED = "api-key-revoked", HTTPStatus.UNAUTHORIZED
    API_KEY_EXPIRED = "api-key-expired", HTTPStatus.UNAUTHORIZED
    USER_BANNED = "user-banned", HTTPStatus.FORBIDDEN
    USER_DEPROVISIONED = "user-deprovisioned", HTTPStatus.FORBIDDEN
    FORBIDDEN = "forbidden", HTTPStatus.FORBIDDEN
    INSUFFICIENT_SCOPE = "insufficient-scope", HTTPStatus.FORBIDDEN
    CSRF = "csrf", HTTPStatus.FORBIDDEN
    QUOTA_EXCEEDED = "quota-exceeded", HTTPStatus.PAYMENT_REQUIRED
    RATE_LIMITED = "rate-limited", HTTPStatus.TOO_MANY_REQUESTS
    NOT_FOUND = "not-found", HTTPStatus.NOT_FOUND
    METHOD_NOT_ALLOWED = "method-not-allowed", HTTPStatus.METHOD_NOT_ALLOWED
    CONFLICT = "conflict", HTTPStatus.CONFLICT
    PRECONDITION_FAILED = "precondition-failed", HTTPStatus.PRECONDITION_FAILED
    VALIDATION = "validation", HTTPStatus.UNPROCESSABLE_ENTITY
    MALFORMED_BODY = "malformed-body", HTTPStatus.BAD_REQUEST
    WEBHOOK_HEADERS_MISSING = "webhook-headers-missing", HTTPStatus.BAD_REQUEST
    WEBHOOK_SIGNATURE_INVALID = "webhook-signature-invalid", HTTPStatus.BAD_REQUEST
    WEBHOOK_TIMESTAMP_OUT_OF_TOLERANCE = "webhook-timestamp-out-of-tolerance", HTTPStatus.BAD_REQUEST
    PAYLOAD_TOO_LARGE = "payload-too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    HEADER_TOO_LARGE = "header-too-large", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    JWKS_UNAVAILABLE = "jwks-unavailable", HTTPStatus.SERVICE_UNAVAILABLE
    CLERK_UNAVAILABLE = "clerk-unavailable", HTTPStatus.SERVICE_UNAVAILABLE
    DATABASE_UNAVAILABLE = "database-unavailable", HTTPStatus.SERVICE_UNAVAILABLE
    WEBHOOK_FAILED = "webhook-failed", HTTPStatus.SERVICE_UNAVAILABLE
    WEBHOOKS_NOT_CONFIGURED = "webhooks-not-configured", HTTPStatus.SERVICE_UNAVAILABLE
    REQUEST_TIMEOUT = "request-timeout", HTTPStatus.SERVICE_UNAVAILABLE
    INTERNAL = "internal", HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def summary(self) -> str:
        return self.value.replace("-", " ").capitalize()


RETRY_AFTER_SECONDS = 5
RETRIABLE = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class AppError(Exception):
    """A refusal the client is told about.

    `detail` is for people and holds nothing of the request: no token, no secret, no e-mail address. `members` are
    further members of the problem document, for programs. `retry_after`: seconds, for a 429 or 503.
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
        """RFC 6750 for a refused credential or scope, Retry-After where waiting helps."""
        if self.code.status == HTTPStatus.UNAUTHORIZED:
            challenge = f'Bearer error="invalid_token", error_description="{self.code.value}"'
            return {"WWW-Authenticate": challenge}
        if self.code is ErrorCode.INSUFFICIENT_SCOPE:
            return {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
        if self.code.status in RETRIABLE:
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
