"""The secret key in front of every route that is not public."""

import hmac
from http import HTTPStatus

from flask import request

from clerk_emulator.context import current_emulator
from clerk_emulator.errors import ClerkError


def require_secret_key() -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise ClerkError(
            HTTPStatus.UNAUTHORIZED,
            "authorization_header_format_invalid",
            "Invalid Authorization header format",
            "Invalid Authorization header format. Must be 'Bearer <YOUR_API_KEY>'",
        )
    if not hmac.compare_digest(key.encode(), current_emulator().instance.secret_key.encode()):
        message = "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct."
        raise ClerkError(HTTPStatus.UNAUTHORIZED, "clerk_key_invalid", message, message)
