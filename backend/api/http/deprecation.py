"""Telling clients of legacy tokens until when they work: Deprecation (RFC 9745) and Sunset (RFC 8594)."""

from datetime import UTC, datetime
from email.utils import format_datetime

from flask import Flask, Response, g

from backend.access.admission import Caller

# Counterfoil never issued such a token: they are deprecated from its first version on.
DEPRECATED_SINCE = datetime(2026, 11, 21, tzinfo=UTC)


def announce_sunset(app: Flask, sunset: datetime) -> None:
    """Add both headers to every answer to a legacy token."""
    since = min(DEPRECATED_SINCE, sunset)  # RFC 9745: the sunset must not be earlier
    headers = {
        "Deprecation": f"@{int(since.timestamp())}",
        "Sunset": format_datetime(sunset.astimezone(UTC), usegmt=True),
    }

    @app.after_request
    def announce(response: Response) -> Response:
        caller = g.get("caller")
        if isinstance(caller, Caller) and caller.identity.kind == "legacy":
            response.headers.update(headers)
        return response
