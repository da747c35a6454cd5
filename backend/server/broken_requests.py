"""What gunicorn cannot read as a request. Its own response repeats the broken line, and so does its log: a token in the
wrong place with it.
"""

import json
from http import HTTPStatus
from typing import NamedTuple

from gunicorn.http.errors import (  # type: ignore[import-untyped]
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)

from backend.errors import AppError, ErrorCode

# Of ours, not of the client.
OURS = (InvalidResponseHeader, InvalidResponseHeaderName)
UNREADABLE = AppError(ErrorCode.MALFORMED_BODY, "This is not a request in HTTP that can be read.")
LONG_HEAD = AppError(ErrorCode.HEADER_TOO_LARGE, "A header, or all of them together, are too long.")


class Refusal(NamedTuple):
    """`response`: in our form, ready to be sent."""

    status: int
    code: str
    response: bytes


def describe(error: BaseException) -> Refusal | None:
    """None where the client did nothing wrong."""
    if not isinstance(error, ParseException) or isinstance(error, OURS):
        return None
    refusal = LONG_HEAD if isinstance(error, LimitRequestHeaders) else UNREADABLE
    status = HTTPStatus.REQUEST_URI_TOO_LONG if isinstance(error, LimitRequestLine) else refusal.code.status
    body = json.dumps(refusal.problem("") | {"status": int(status)}).encode()
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Refusal(int(status), refusal.code.value, head.encode() + body)
