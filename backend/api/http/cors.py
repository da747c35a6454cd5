"""Which pages of a browser may call the API: exact origins, no credentials (the token is in a header)."""

import re
from collections.abc import Sequence

from flask import Flask, Response, request
from flask_cors.core import get_cors_options, set_cors_headers

PREFLIGHT_SECONDS = 600


def allow_origins(app: Flask, origins: Sequence[str]) -> None:
    """Answer CORS for every route. A request without Origin comes from no page, and skips 30 us of flask-cors."""
    options = get_cors_options(
        app,
        {
            # As patterns of their own: a text with brackets, like http://[::1]:5173, would be taken for one.
            "origins": [re.compile(re.escape(origin) + r"\Z") for origin in origins],
            "allow_headers": [
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-Match",
                "If-None-Match",
                "X-API-Key",
                "X-Request-ID",
            ],
            "expose_headers": [
                "Deprecation",
                "ETag",
                "Idempotent-Replayed",
                "Location",
                "Retry-After",
                "Sunset",
                "WWW-Authenticate",
                "X-Request-ID",
            ],
            "max_age": PREFLIGHT_SECONDS,
        },
    )

    @app.after_request
    def answer_origin(response: Response) -> Response:
        return set_cors_headers(response, options) if "HTTP_ORIGIN" in request.environ else response
