"""Which pages of a browser may call the API: exact origins, no credentials (the token is in a header)."""

import re
from collections.abc import Callable, Sequence

from flask import Flask, Response
from flask_cors.core import get_cors_options, set_cors_headers

PREFLIGHT_SECONDS = 600


def origin_allower(app: Flask, origins: Sequence[str]) -> Callable[[Response], Response]:
    """A function that adds the headers of CORS to the response to a request with an Origin."""
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
                "RateLimit",
                "RateLimit-Policy",
                "Retry-After",
                "Sunset",
                "WWW-Authenticate",
                "X-Request-ID",
            ],
            "max_age": PREFLIGHT_SECONDS,
        },
    )
    return lambda response: set_cors_headers(response, options)
