"""The decorator for views that write: the work is done once, also when its request comes again."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from hashlib import sha256
from typing import ParamSpec
from uuid import uuid4

from flask import Response, request
from sqlalchemy import Connection

from backend.access.policies import get_current_user_id
from backend.errors import AppError, ErrorCode
from backend.extensions import in_transaction
from backend.services.idempotency import KEPT, Answer, SentOnce, answer_once

HEADER = "Idempotency-Key"
VISIBLE_ASCII = re.compile(r"[!-~]{1,255}")
# Without the header only we ourselves repeat the work, at once, when the confirmation of its commit was lost.
OWN_LIFE = timedelta(minutes=1)

P = ParamSpec("P")
Work = Callable[[Connection], Answer]


def idempotent(view: Callable[P, Work]) -> Callable[P, Response]:
    """The view checks the request and returns the work; this runs it in one transaction with its answer.

    Raises AppError besides what the work raises: 422 for a key we do not take, 409 for one that came with another body.
    """

    @wraps(view)
    def answer(*args: P.args, **kwargs: P.kwargs) -> Response:
        sent = _read_request()
        work = view(*args, **kwargs)
        answer, is_replayed = in_transaction(lambda connection: answer_once(connection, sent, work))
        response = Response(answer.body, answer.status, content_type="application/json")
        if not answer.body:
            del response.headers["Content-Type"]
        for name, value in (("Location", answer.location), ("ETag", answer.etag)):
            if value is not None:
                response.headers[name] = value
        if is_replayed and HEADER in request.headers:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    return answer


def _read_request() -> SentOnce:
    key = request.headers.get(HEADER)
    if key is not None and not VISIBLE_ASCII.fullmatch(key):
        error = {"path": HEADER, "message": "Must be 1 to 255 visible ASCII characters."}
        raise AppError(ErrorCode.VALIDATION, "The request has a wrong header.", members={"errors": [error]})
    # get_data keeps what it read: the view reads the body once more.
    digest = sha256(request.get_data()).hexdigest()
    life = OWN_LIFE if key is None else KEPT
    return SentOnce(get_current_user_id(), request.method, request.path, key or str(uuid4()), digest, life)
