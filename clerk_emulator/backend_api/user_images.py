"""`/v1/users/{id}/profile_image`."""

from flask import Blueprint, Response, jsonify

from clerk_emulator import profile_images, uploads, users
from clerk_emulator.context import Change, begin_change
from clerk_emulator.payloads import user_payload

blueprint = Blueprint("user_images", __name__, url_prefix="/users/<user_id>/profile_image")


@blueprint.post("")
def upload_image(user_id: str) -> Response:
    content = uploads.read_file()
    with begin_change() as change:
        profile_images.replace(change, users.find(change.db, user_id), content)
        return _answer(change, user_id)


@blueprint.delete("")
def remove_image(user_id: str) -> Response:
    with begin_change() as change:
        profile_images.remove(change, users.find(change.db, user_id))
        return _answer(change, user_id)


def _answer(change: Change, user_id: str) -> Response:
    return jsonify(user_payload(change.db, users.find(change.db, user_id), change.emulator.url))
