"""The decorator for views that write: one transaction, and only once where the request has an Idempotency-Key."""

import re
from collections.abc import Callable
from functools import partial, wraps
from hashlib import sha256
from typing import ParamSpec

from flask import Response, current_app, request, url_for
from sqlalchemy import Connection

from backend.access.policy import get_current_user_id
from backend.api.http.etags import IF_MATCH
from backend.api.http.operation import respond
from backend.api.http.parsing import MAX_JSON_BYTES, read_bytes
from backend.container import current_services, in_transaction
from backend.errors import AppError, ErrorCode
from backend.services.idempotency import ApiResponse, RequestKey, respond_once
from backend.services.users.accounts import lock_owner

HEADER = "Idempotency-Key"
VISIBLE_ASCII = re.compile(r"[!-~]{1,255}")

P = ParamSpec("P")
Work = Callable[[Connection], ApiResponse]


def idempotent(view: Callable[P, Work]) -> Callable[P, Response]:
    """The view checks the request and returns the work; this runs it in one transaction.

    All writes of a user that come this way happen one after the other. Raises AppError besides what the work raises: 401
    for a user who is gone, 422 for a key that we do not take, 409 for one that came with another body.
    """
    return _decorate(view, is_secret=False)


def idempotent_secret(view: Callable[P, Work]) -> Callable[P, Response]:
    """As `idempotent`, where the response shows a secret: it is kept encrypted."""
    return _decorate(view, is_secret=True)


def _decorate(view: Callable[P, Work], *, is_secret: bool) -> Callable[P, Response]:
    @wraps(view)
    def run(*args: P.args, **kwargs: P.kwargs) -> Response:
        key = _read_key()
        # Also where the view reads none: a body that is too long is refused.
        body_hash = _hash_request()
        work = view(*args, **kwargs)
        if key is None:
            return respond(in_transaction(partial(_run_once, work)))
        result, is_replayed = in_transaction(
            partial(_run_kept, key, body_hash, _encrypting(work) if is_secret else work)
        )
        if is_secret:
            result = result._replace(body=current_services().encryption.decrypt(result.body))
        response = respond(result)
        if is_replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    run.takes = frozenset({HEADER})  # type: ignore[attr-defined] # for /openapi.json
    return run


def _run_once(work: Work, connection: Connection) -> ApiResponse:
    lock_owner(connection, get_current_user_id())
    return work(connection)


def _run_kept(
    key: RequestKey, body_hash: str, work: Work, connection: Connection
) -> tuple[ApiResponse, bool]:
    lock_owner(connection, key.user_id)
    return respond_once(connection, key, body_hash, work)


def _encrypting(work: Work) -> Work:
    def run(connection: Connection) -> ApiResponse:
        result = work(connection)
        return result._replace(body=current_services().encryption.encrypt(result.body))

    return run


def _hash_request() -> str:
    # A change of another version is another request, although its body may be the same.
    sent = request.headers.get(IF_MATCH, "").encode() + b"\n" + read_bytes(MAX_JSON_BYTES)
    return sha256(sent).hexdigest()


def _read_key() -> RequestKey | None:
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not VISIBLE_ASCII.fullmatch(key):
        error = {"path": HEADER, "message": "Must be 1 to 255 visible ASCII characters."}
        raise AppError(ErrorCode.VALIDATION, "The request has a wrong header.", members={"errors": [error]})
    return RequestKey(get_current_user_id(), request.method, _path(), key)


def _path() -> str:
    """The path under the first mount: /campaigns and /api/campaigns are one."""
    mount, _, view = str(request.endpoint).partition(".")
    return url_for(f"{current_app.blueprints[mount].name}.{view}", **(request.view_args or {}))
