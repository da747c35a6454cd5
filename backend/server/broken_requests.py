"""What gunicorn cannot read as a request. Imported by gunicorn.conf.py alone.

gunicorn's own answer repeats the broken line, in the answer and in the log: a token in the wrong place with it.
"""

import json
import socket
from collections.abc import Callable
from typing import Any

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
TOO_LONG = {LimitRequestLine: "414 URI Too Long", LimitRequestHeaders: "431 Request Header Fields Too Large"}

HandleError = Callable[[Any, socket.socket, Any, BaseException], None]


def install(worker: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Let this worker answer broken requests in our form, and log no more than what kind of fault it was."""
    handle_error: HandleError = worker.handle_error

    def handle(request: Any, client: socket.socket, address: Any, error: BaseException) -> None:  # noqa: ANN401
        if not isinstance(error, ParseException) or isinstance(error, OURS):
            handle_error(request, client, address, error)
            return
        worker.log.warning("A broken request: %s.", type(error).__name__)
        client.sendall(_answer(TOO_LONG.get(type(error), "400 Bad Request")))

    worker.handle_error = handle


def _answer(status: str) -> bytes:
    number, _, _ = status.partition(" ")
    problem = AppError(ErrorCode.MALFORMED_BODY, "This is not a request in HTTP that can be read.").problem(
        ""
    )
    body = json.dumps(problem | {"status": int(number)}).encode()
    head = (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
