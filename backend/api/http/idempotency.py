"""Writes of one user happen in order, and only once where the request has an Idempotency-Key."""

import re
from collections.abc import Callable
from hashlib import sha256

from flask import current_app, request, url_for
from sqlalchemy import Connection

from backend.access.policy import get_account, get_current_user_id
from backend.api.http.etags import IF_MATCH
from backend.api.http.parsing import MAX_JSON_BYTES, read_bytes
from backend.container import current_services, in_transaction
from backend.errors import AppError, ErrorCode
from backend.models.roles_plans_scopes import Plan
from backend.resources import KEPT_RESPONSES
from backend.services.idempotency import ApiResponse, RequestKey, respond_once
from backend.services.users.accounts import lock_owner

HEADER = "Idempotency-Key"
VISIBLE_ASCII = re.compile(r"[!-~]{1,255}")


def run_once(work: Callable[[Connection], ApiResponse], *, is_secret: bool) -> tuple[ApiResponse, bool]:
    """Do the work of this request in a transaction that begins with the lock of the caller's row; True: it was done
    before.

    `work` changes nothing but through its connection. `is_secret`: the response is kept encrypted. Raises AppError
    besides what the work raises: 401 for a user who is gone, 422 for a key that we do not take, 409 for one that came
    with another body.
    """
    user_id, key = get_current_user_id(), _read_key()
    # Also where the view reads no body: one that is too long is refused.
    body_hash = _hash_request()
    encryption = current_services().encryption
    kept = KEPT_RESPONSES.kept[Plan(str(get_account().plan))]

    def encrypted(connection: Connection) -> ApiResponse:
        response = work(connection)
        return response._replace(body=encryption.encrypt(response.body))

    def once(connection: Connection) -> tuple[ApiResponse, bool]:
        lock_owner(connection, user_id)
        if key is None:
            return work(connection), False
        same = RequestKey(user_id, request.method, _path(), key)
        return respond_once(connection, same, body_hash, encrypted if is_secret else work, kept=kept)

    response, is_replayed = in_transaction(once)
    if key is not None and is_secret:
        response = response._replace(body=encryption.decrypt(response.body))
    return response, is_replayed


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
    """The path under the first mount: of a blueprint with two, both are one."""
    mount, _, view = str(request.endpoint).partition(".")
    return url_for(f"{current_app.blueprints[mount].name}.{view}", **(request.view_args or {}))
