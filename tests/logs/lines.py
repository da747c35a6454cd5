"""The lines of a server's log, read back."""

import json
from typing import Any

from tests.support.server import Server


def read_lines(server: Server) -> list[dict[str, Any]]:
    """Of a server with LOG_FORMAT=json: every line of it is JSON."""
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def line_of(server: Server, request_id: str) -> dict[str, Any]:
    """The one access line of a request."""
    lines = [line for line in read_lines(server) if line.get("request_id") == request_id]
    (line,) = [line for line in lines if line["event"] == "request"]
    return line
