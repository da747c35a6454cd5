"""Routes that need no key."""

from flask import Blueprint, Response, jsonify

from clerk_emulator import profile_images, tokens
from clerk_emulator.context import current_emulator

blueprint = Blueprint("public", __name__)

# Clerk's components fetch pictures as anybody may.
_FOR_ANYBODY = {"Access-Control-Allow-Origin": "*"}

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


@blueprint.get("/emulator/avatar_placeholder.svg")
def get_avatar() -> Response:
    """The picture of who has none: Clerk's own image host cannot be reached without a network."""
    return Response(_AVATAR, mimetype="image/svg+xml", headers=_FOR_ANYBODY)


@blueprint.get("/emulator/images/<image_id>")
def get_image(image_id: str) -> Response:
    """A user's picture. What was there once may be shown for ever: another picture has another address."""
    with current_emulator().store.transaction() as db:
        image = profile_images.find(db, image_id)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(image["content"], mimetype=image["media_type"], headers=headers | _FOR_ANYBODY)
