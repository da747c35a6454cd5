"""The decorator for views that write: the work is done once, also when its request comes again."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from hashlib import sha256
from typing import ParamSpec
from uuid import uuid4

from flask import Response, current_app, request, url_for
from sqlalchemy import Connection

from backend.access.caller import get_current_user_id
from backend.api.http.etags import IF_MATCH
from backend.api.http.operation import respond
from backend.api.http.parsing import MAX_JSON_BYTES, read_bytes
from backend.database.engine import in_transaction
from backend.errors import AppError, ErrorCode
from backend.services.encryption import Seal
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

    def run(sent: SentOnce, work: Work) -> tuple[Answer, bool]:
        return in_transaction(lambda connection: answer_once(connection, sent, work))

    return _answering(view, run)


def idempotent_secret(view: Callable[P, Work]) -> Callable[P, Response]:
    """As `idempotent`, where the answer shows a secret: it is kept encrypted."""

    def run(sent: SentOnce, work: Work) -> tuple[Answer, bool]:
        seal: Seal = current_app.extensions["seal"]

        def sealed(connection: Connection) -> Answer:
            answer = work(connection)
            return answer._replace(body=seal.close(answer.body))

        answer, is_replayed = in_transaction(lambda connection: answer_once(connection, sent, sealed))
        return answer._replace(body=seal.open(answer.body)), is_replayed

    return _answering(view, run)


def _answering(
    view: Callable[P, Work], run: Callable[[SentOnce, Work], tuple[Answer, bool]]
) -> Callable[P, Response]:
    @wraps(view)
    def answer(*args: P.args, **kwargs: P.kwargs) -> Response:
        sent = _read_request()
        answer, is_replayed = run(sent, view(*args, **kwargs))
        response = respond(answer)
        if is_replayed and HEADER in request.headers:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    answer.takes = frozenset({HEADER})  # type: ignore[attr-defined]
    return answer


def _read_request() -> SentOnce:
    key = request.headers.get(HEADER)
    if key is not None and not VISIBLE_ASCII.fullmatch(key):
        error = {"path": HEADER, "message": "Must be 1 to 255 visible ASCII characters."}
        raise AppError(ErrorCode.VALIDATION, "The request has a wrong header.", members={"errors": [error]})
    # A change of another version is another request, although its body may be the same.
    sent = request.headers.get(IF_MATCH, "").encode() + b"\n" + read_bytes(MAX_JSON_BYTES)
    life = OWN_LIFE if key is None else KEPT
    digest = sha256(sent).hexdigest()
    return SentOnce(get_current_user_id(), request.method, _path(), key or str(uuid4()), digest, life)


def _path() -> str:
    """The path under the first mount: /campaigns and /api/campaigns are one."""
    mount, _, view = str(request.endpoint).partition(".")
    return url_for(f"{current_app.blueprints[mount].name}.{view}", **(request.view_args or {}))
