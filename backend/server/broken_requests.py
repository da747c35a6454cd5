"""What gunicorn cannot read as a request. Imported by gunicorn.conf.py alone.

gunicorn's own response repeats the broken line, and so does its log: a token in the wrong place with it.
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
UNREADABLE = AppError(ErrorCode.MALFORMED_BODY, "This is not a request in HTTP that can be read.")

HandleError = Callable[[Any, socket.socket, Any, BaseException], None]


def install(worker: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Let this worker respond to broken requests in our form, and log no more than what kind of fault it was."""
    handle_error: HandleError = worker.handle_error

    def handle(request: Any, client: socket.socket, address: Any, error: BaseException) -> None:  # noqa: ANN401
        if not isinstance(error, ParseException) or isinstance(error, OURS):
            handle_error(request, client, address, error)
            return
        worker.log.warning("A broken request: %s.", type(error).__name__)
        status = TOO_LONG.get(type(error), "400 Bad Request")
        problem = UNREADABLE.problem("") | {"status": int(status[:3])}
        body = json.dumps(problem).encode()
        head = (
            f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        client.sendall(head.encode() + body)

    worker.handle_error = handle
