"""The id of a request, in its answer, in the log and in the audit trail."""

import re
import secrets

from flask import g, request

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def request_id() -> str:
    """The caller's own X-Request-ID when it is a plain word, else a new one; the same one all through the request."""
    name: str | None = g.get("request_id")
    if name is None:
        given = request.environ.get("HTTP_X_REQUEST_ID", "")
        name = g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    return name
