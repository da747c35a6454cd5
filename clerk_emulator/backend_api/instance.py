"""What belongs to the instance as a whole."""

from flask import Blueprint, Response, jsonify

from clerk_emulator import clock, tokens
from clerk_emulator.context import current_emulator
from clerk_emulator.ids import random_base62

blueprint = Blueprint("instance", __name__)

_TESTING_TOKEN_LIFETIME = 60 * 60
_TESTING_TOKEN_LENGTH = 43


@blueprint.get("/jwks")
def get_key_set() -> Response:
    return jsonify(tokens.key_set(current_emulator().instance))


@blueprint.post("/testing_tokens")
def create_testing_token() -> Response:
    """It lets a test past Clerk's bot protection. Here is none, so that nobody asks for it again."""
    now = clock.now()
    return jsonify(
        object="testing_token",
        token=f"{now}-c_{random_base62(_TESTING_TOKEN_LENGTH)}",
        expires_at=now + _TESTING_TOKEN_LIFETIME,
    )
