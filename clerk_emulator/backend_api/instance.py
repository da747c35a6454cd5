from flask import Blueprint, Response, jsonify

from clerk_emulator import tokens
from clerk_emulator.context import current_emulator

blueprint = Blueprint("instance", __name__)


@blueprint.get("/jwks")
def get_key_set() -> Response:
    return jsonify(tokens.key_set(current_emulator().instance))
