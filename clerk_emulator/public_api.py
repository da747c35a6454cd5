"""Routes that need no key."""

from flask import Blueprint, Response, jsonify

from clerk_emulator import tokens
from clerk_emulator.context import current_emulator

blueprint = Blueprint("public", __name__)

_AVATAR = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" fill="#6c47ff"/>'
    '<circle cx="32" cy="25" r="11" fill="#fff"/><path d="M12 58a20 20 0 0 1 40 0z" fill="#fff"/></svg>'
)


@blueprint.get("/.well-known/jwks.json")
def get_key_set() -> Response:
    return jsonify(tokens.key_set(current_emulator().instance))


@blueprint.get("/healthz")
def get_health() -> Response:
    return jsonify(status="ok")


@blueprint.get("/emulator/avatar.svg")
def get_avatar() -> Response:
    """Everybody's picture: Clerk's own image host cannot be reached without a network."""
    # Clerk's components fetch pictures as anybody may.
    return Response(_AVATAR, mimetype="image/svg+xml", headers={"Access-Control-Allow-Origin": "*"})
