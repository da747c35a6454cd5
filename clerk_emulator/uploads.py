"""The picture in a request, as every API of Clerk takes one: a multipart form with a `file`."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from clerk_emulator import profile_images
from clerk_emulator.errors import ClerkError

# The biggest picture as base64, which is a third longer, or in a form, and something around it.
_MAX_BODY = profile_images.MAX_BYTES * 4 // 3 + 64 * 1024


@contextmanager
def allow_picture() -> Iterator[None]:
    """Let the body of this request be as long as a picture; the application's limit is that of JSON and forms."""
    request.max_content_length = _MAX_BODY
    try:
        yield
    except RequestEntityTooLarge:
        raise profile_images.too_large() from None


def read_file() -> bytes:
    """Read the `file` of a multipart form. Raises ClerkError when there is none, or too much of it."""
    with allow_picture():
        file = request.files.get("file")
    if file is None:
        raise ClerkError(
            HTTPStatus.BAD_REQUEST,
            "form_param_missing",
            "Image file missing",
            "The request has no image: file must be included in a multipart form.",
            param="file",
        )
    content: bytes = file.read()
    return content
