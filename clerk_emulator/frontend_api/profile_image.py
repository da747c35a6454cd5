"""`/v1/me/profile_image`."""

import base64
import binascii

from flask import Blueprint, Response, request

from clerk_emulator import profile_images, uploads
from clerk_emulator.context import begin_change
from clerk_emulator.frontend_api.answers import answer_change
from clerk_emulator.frontend_api.identity import require_user
from clerk_emulator.payloads import picture_url

blueprint = Blueprint("profile_image", __name__, url_prefix="/me/profile_image")


@blueprint.post("")
def upload_image() -> Response:
    with begin_change() as change:
        require_user(change.db)  # before the long body is read
    content = _read_content()
    with begin_change() as change:
        image_id = profile_images.replace(change, require_user(change.db), content)
        url = picture_url(change.emulator.url, image_id)
        image = {"object": "image", "id": image_id, "name": image_id, "public_url": url}
        return answer_change(change, image)


@blueprint.delete("")
def remove_image() -> Response:
    with begin_change() as change:
        image_id = profile_images.remove(change, require_user(change.db))
        return answer_change(change, {"object": "image", "id": image_id, "deleted": True})


def _read_content() -> bytes:
    """Read a form's file or, from where JavaScript has no files (React Native), a base64 text or data URL."""
    if request.mimetype != "application/octet-stream":
        return uploads.read_file()
    with uploads.allow_picture():
        text = request.get_data()
    try:
        return base64.b64decode(text.rpartition(b",")[2])
    except binascii.Error:
        return b""  # which is no image
