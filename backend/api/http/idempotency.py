"""The decorator for views that write: one transaction, and only once where the request has an Idempotency-Key."""

import re
from collections.abc import Callable
from functools import wraps
from hashlib import sha256

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

View = Callable[..., ApiResponse]


def idempotent(view: View) -> Callable[..., Response]:
    """Run a view in a transaction that begins with the lock of the caller's row: all that a user writes happens in order.

    It is given the `connection`, and changes nothing but through it. Raises AppError besides what the view raises: 401 for
    a user who is gone, 422 for a key that we do not take, 409 for one that came with another body.
    """
    return _decorate(view, is_secret=False)


def idempotent_secret(view: View) -> Callable[..., Response]:
    """As `idempotent`, where the response shows a secret: it is kept encrypted."""
    return _decorate(view, is_secret=True)


def _decorate(view: View, *, is_secret: bool) -> Callable[..., Response]:
    @wraps(view)
    def run(**values: object) -> Response:
        user_id, key = get_current_user_id(), _read_key()
        # Also where the view reads no body: one that is too long is refused.
        body_hash = _hash_request()

        def work(connection: Connection) -> ApiResponse:
            result = view(connection=connection, **values)
            if key is None or not is_secret:
                return result
            return result._replace(body=current_services().encryption.encrypt(result.body))

        def once(connection: Connection) -> tuple[ApiResponse, bool]:
            lock_owner(connection, user_id)
            if key is None:
                return work(connection), False
            same = RequestKey(user_id, request.method, _path(), key)
            return respond_once(connection, same, body_hash, work)

        result, is_replayed = in_transaction(once)
        if key is not None and is_secret:
            result = result._replace(body=current_services().encryption.decrypt(result.body))
        response = respond(result)
        if is_replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    run.takes = frozenset({HEADER})  # type: ignore[attr-defined] # for /openapi.json
    return run


def _hash_request() -> str:
    # A change of another version is another request, although its body may be the same.
    sent = request.headers.get(IF_MATCH, "").encode() + b"\n" + read_bytes(MAX_JSON_BYTES)
    return sha256(sent).hexdigest()


def _read_key() -> str | None:
    key = request.headers.get(HEADER)
    if key is not None and not VISIBLE_ASCII.fullmatch(key):
        error = {"path": HEADER, "message": "Must be 1 to 255 visible ASCII characters."}
        raise AppError(ErrorCode.VALIDATION, "The request has a wrong header.", members={"errors": [error]})
    return key


def _path() -> str:
    """The path under the first mount: /campaigns and /api/campaigns are one."""
    mount, _, view = str(request.endpoint).partition(".")
    return url_for(f"{current_app.blueprints[mount].name}.{view}", **(request.view_args or {}))
