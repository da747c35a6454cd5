"""The fixed parts of the API's description: what it is, who may call it, headers, errors."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from backend.api.http.etags import IF_MATCH, IF_NONE_MATCH
from backend.api.http.idempotency import HEADER as IDEMPOTENCY_KEY
from backend.errors import RETRIABLE, ErrorCode
from backend.services.clerk.webhooks.signature import HEADERS as SVIX_HEADERS
from backend.version import VERSION

PROBLEM_JSON = "application/problem+json"

INFO = {
    "title": "Counterfoil",
    "version": VERSION,
    "description": (
        "Times are RFC 3339 in UTC, amounts of money are in the smallest unit of their currency, ids are numbers.\n\n"
        "A list gives one page and `next_cursor`, which is null on the last one; send it as `cursor` for the next.\n\n"
        "Every error is `application/problem+json` (RFC 9457). Programs look at its `code`; `X-Request-ID` and "
        "`request_id` name the request in our log. A 503 is trouble of ours, a 429 too much of yours at once: try "
        "again after `Retry-After` seconds. `RateLimit` and `RateLimit-Policy` say how much is left of how much. "
        "Any request may also be refused before it is looked at: 414 beyond 4,094 bytes of address, 431 beyond 16,380 "
        "bytes of one header or 64 KiB of all, 400 when it is not HTTP.\n\n"
        "Sent again with the same `Idempotency-Key`, a request is done once. Only those take none that do the same "
        "when they come again: ban, unban, the end of a session, a webhook (known by its `svix-id`)."
    ),
}

SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A Clerk session token, as getToken() gives it; an API key; or a token of the older login.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "sessionCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__session",
        "description": "Clerk's cookie, from pages of this site or of an allowed origin.",
    },
}

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
REQUIRED_HEADER = {"required": True, "schema": STRING}

# Request headers that views take, by name.
HEADERS: dict[str, dict[str, Any]] = {
    IDEMPOTENCY_KEY: {
        "description": "Sent again within 24 hours with the same body, the request is answered as the first time.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    IF_MATCH: {"description": "The ETag that the change begins from.", "schema": STRING},
    IF_NONE_MATCH: {"description": "The ETag that you have.", "schema": STRING},
    **dict.fromkeys(SVIX_HEADERS, REQUIRED_HEADER),
}
REPLAYED = {"description": "`true` where this is the answer of an earlier request.", "schema": {"const": "true"}}

PROBLEM = {
    "type": "object",
    "description": (
        "RFC 9457. `errors`: what is wrong with the values that were sent. `limit`, `used`, `resets_at` (null: never), "
        "`remaining`: of a quota. `checks`: what GET /readyz found, by name."
    ),
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": STRING,
        "title": STRING,
        "status": INTEGER,
        "code": {"type": "string", "enum": [code.value for code in ErrorCode]},
        "detail": STRING,
        "request_id": STRING,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {"path": STRING, "message": STRING},
            },
        },
        "limit": INTEGER,
        "used": INTEGER,
        "remaining": INTEGER,
        "resets_at": {"type": ["string", "null"], "format": "date-time"},
        "checks": {"$ref": "#/components/schemas/ChecksOut"},
    },
}


PROBLEM_CONTENT = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def problem_responses(codes: Collection[ErrorCode]) -> dict[str, Any]:
    """The error responses, by status, each naming its codes."""
    responses: dict[str, Any] = {}
    for status in sorted({code.status for code in codes}):
        headers = ["Retry-After"] if status in RETRIABLE else []
        named = [code for code in ErrorCode if code in codes and code.status == status]
        responses[str(int(status))] = _problem_response(named, *headers)
    if str(int(HTTPStatus.UNAUTHORIZED)) in responses:  # 20 codes, the same everywhere
        responses[str(int(HTTPStatus.UNAUTHORIZED))] = {"$ref": "#/components/responses/Unauthorized"}
    return responses


def _problem_response(codes: Collection[ErrorCode], *headers: str) -> dict[str, Any]:
    """`headers`: that it always has."""
    described = {"description": ", ".join(f"`{code}`" for code in codes), "content": PROBLEM_CONTENT}
    return described | ({"headers": dict.fromkeys(headers, REQUIRED_HEADER)} if headers else {})


# Said by gunicorn, before the application sees the request. Here where a query can make it so long.
TOO_LONG = _problem_response([ErrorCode.MALFORMED_BODY])
NOT_MODIFIED = {"description": "You have this version.", "headers": {"ETag": REQUIRED_HEADER}}
UNAUTHORIZED = _problem_response(
    [code for code in ErrorCode if code.status == HTTPStatus.UNAUTHORIZED], "WWW-Authenticate"
)


class Schemas(GenerateJsonSchema):
    """Without the default null, which only says that a member need not be there."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)
