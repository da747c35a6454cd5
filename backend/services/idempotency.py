"""A write with an Idempotency-Key happens once: its response is kept in the transaction that did the work.

After the IETF draft of the Idempotency-Key header. A crash leaves neither the work nor the response, a repetition finds
both.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from backend.database.locks import delete_unlocked
from backend.database.rows import columns_of
from backend.errors import AppError, ErrorCode
from backend.models import IdempotencyKey
from backend.resources import IDEMPOTENCY_KEYS
from backend.services.plans.quotas import AT_ONCE, delete_surplus

KEPT = timedelta(hours=24)
# A write deletes a few expired rows in passing.
DELETE_EXPIRED = delete_unlocked(
    "idempotency_keys", "FROM idempotency_keys t WHERE expires_at <= now() ORDER BY expires_at"
)
# And of the user's own what the plan does not keep.
DELETE_SURPLUS = delete_surplus(IDEMPOTENCY_KEYS)
SWEEP = text(f"{DELETE_EXPIRED.text}; {DELETE_SURPLUS.text}")  # in one round trip


class ApiResponse(NamedTuple):
    """What a request is answered with. `body`: JSON; empty for none."""

    status: int
    body: str
    location: str | None = None
    etag: str | None = None


class RequestKey(NamedTuple):
    """What makes two requests the same one."""

    user_id: int
    method: str
    path: str
    key: str


def respond_once(
    connection: Connection, request: RequestKey, body_hash: str, work: Callable[[Connection], ApiResponse], *, kept: int
) -> tuple[ApiResponse, bool]:
    """Do the work, or find the response of the time when it was done; True: it was found.

    The caller holds the row of the user. `body_hash`: SHA-256, hexadecimal. `kept`: how many responses of the user are
    kept. What `work` raises undoes everything: a refusal is not kept. Raises AppError (409) for a key that came with
    another body.
    """
    same = [IdempotencyKey.__table__.c[name] == value for name, value in request._asdict().items()]
    found = select(IdempotencyKey.body_hash, *columns_of(IdempotencyKey, ApiResponse))
    earlier = connection.execute(found.where(*same, IdempotencyKey.expires_at > func.now())).first()
    if earlier is None:
        response = work(connection)
        _keep(connection, request, body_hash, response)
        connection.execute(SWEEP, {"user_id": request.user_id, "kept": kept, "limit": AT_ONCE})
        return response, False
    if earlier.body_hash != body_hash:
        raise AppError(
            ErrorCode.CONFLICT, "This Idempotency-Key came with another body. Take a new key for a new request."
        )
    return ApiResponse(earlier.status, earlier.body, earlier.location, earlier.etag), True


def _keep(connection: Connection, request: RequestKey, body_hash: str, response: ApiResponse) -> None:
    """A row that is there already has expired, or it would have been found."""
    values = response._asdict() | {"body_hash": body_hash, "expires_at": func.now() + KEPT}
    statement = insert(IdempotencyKey).values(request._asdict() | values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=RequestKey._fields, set_={name: statement.excluded[name] for name in values}
        )
    )
