"""Reading what a request brings, strictly: unknown members, wrong types and broken JSON are refused, never echoed."""

import re
from threading import BoundedSemaphore

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter

from backend.errors import AppError, ErrorCode
from backend.models.base import ID
from backend.schemas.base import Input, Query
from backend.services.core.encoding import decode_json_object

MAX_JSON_BYTES = 65_536  # the largest body that means something has a tenth of it
MAX_ERRORS = 20
PLAIN_NAME = re.compile(r"[a-z_]{1,40}")


class IdConverter(BaseConverter):
    """`<id:key_id>` in a path: an id as we write it, in one spelling. Everything else is a 404.

    Said by the expression alone: a number that `to_python` refused would be a 405 where the path also takes another
    method.
    """

    regex = ID

    def to_python(self, value: str) -> int:
        return int(value)


def read_bytes(limit: int) -> bytes:
    """The whole body as it was sent, also when asked again.

    Raises AppError: 413 beyond `limit` bytes, 400 when it cannot be read.
    """
    # One more, because Werkzeug ends a body without Content-Length (chunked) at the limit and says nothing.
    request.max_content_length = limit + 1
    try:
        body = request.get_data()
    except HTTPException:
        raise
    except Exception as error:
        # gunicorn's own kinds of fault in the chunks; a library that serves us should not be imported to name them.
        raise AppError(ErrorCode.MALFORMED_BODY, "The body could not be read.") from error
    if len(body) > limit:
        raise AppError(ErrorCode.PAYLOAD_TOO_LARGE, f"A body has at most {limit} bytes here.")
    return body


def read_large_bytes(limit: int, at_once: BoundedSemaphore) -> bytes:
    """As read_bytes, of a body that anybody may send. `at_once`: how many may be read that are larger than most.

    Raises AppError: 429 while there are so many.
    """
    if request.content_length is not None and request.content_length <= MAX_JSON_BYTES:
        return read_bytes(limit)
    if not at_once.acquire(blocking=False):
        raise AppError(ErrorCode.RATE_LIMITED, "Too many large bodies at once. Send it again.", retry_after=1)
    try:
        return read_bytes(limit)
    finally:
        at_once.release()


def read_body(model: type[Input]) -> Input:
    """The JSON object of the request; no body counts as an empty one.

    Raises AppError: 413 beyond MAX_JSON_BYTES, 415 for another type, 400 for broken JSON, 422 with the paths of what is
    wrong.
    """
    sent = read_bytes(MAX_JSON_BYTES)
    if sent and (request.mimetype != "application/json" or is_encoded()):
        raise AppError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send JSON, with Content-Type: application/json and no Content-Encoding."
        )
    body = sent or b"{}"
    malformed = AppError(ErrorCode.MALFORMED_BODY, "The body is not a JSON object in UTF-8.")
    try:
        decode_json_object(body)  # pydantic's own parser takes NaN, and the last of two equal names
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":  # as lone surrogates, which Python's parser takes
            raise malformed from None
        raise _invalid(error, model) from None
    except ValueError:
        raise malformed from None


def is_encoded() -> bool:
    """Whether the body is compressed, which nothing here undoes."""
    return request.headers.get("Content-Encoding", "identity") != "identity"


def read_query(model: type[Query]) -> Query:
    """The query string. Raises AppError (422), also for a name that is there twice."""
    for name, values in request.args.lists():
        if len(values) > 1:
            path = name if name in model.model_fields else ""
            raise _refuse([{"path": path, "message": "Stands more than once."}])
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise _invalid(error, model) from None


def _invalid(error: ValidationError, model: type[BaseModel]) -> AppError:
    errors = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]:
        path, message = fault["loc"], fault["msg"]
        if fault["type"] == "extra_forbidden":
            known = f" Known: {', '.join(model.model_fields)}." if len(path) == 1 else ""
            message = f"Not a known name.{known}"
            if not PLAIN_NAME.fullmatch(str(path[-1])):
                # A secret in the wrong place must not come back in the response.
                path = path[:-1]
        errors.append({"path": ".".join(map(str, path)), "message": message})
    return _refuse(errors)


def _refuse(errors: list[dict[str, str]]) -> AppError:
    return AppError(ErrorCode.VALIDATION, "The request has wrong values: see errors.", members={"errors": errors})
