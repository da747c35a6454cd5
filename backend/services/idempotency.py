"""A write happens once, however often its request comes: the answer is kept in the transaction that did the work.

After the IETF draft of the Idempotency-Key header. A crash leaves neither the work nor the answer, a repetition finds both.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text

from backend.database.prepared_reads import delete_found
from backend.errors import AppError, ErrorCode
from backend.services.users.accounts import lock_owner

KEPT = timedelta(hours=24)
# A write in passing deletes more than it adds, so that the table shrinks again after a rush.
SWEPT = 5

FIND = text("""
SELECT status, body, location, etag, body_hash FROM idempotency_keys
WHERE user_id = :user_id AND method = :method AND path = :path AND key = :key AND expires_at > now()
""")
# In the way can only be a row that has expired.
KEEP = text("""
INSERT INTO idempotency_keys (user_id, method, path, key, body_hash, status, body, location, etag, expires_at)
VALUES (:user_id, :method, :path, :key, :body_hash, :status, :body, :location, :etag, now() + :life)
ON CONFLICT (user_id, method, path, key) DO UPDATE SET
    body_hash = excluded.body_hash, status = excluded.status, body = excluded.body, location = excluded.location,
    etag = excluded.etag, expires_at = excluded.expires_at
""")
SWEEP = delete_found(
    "idempotency_keys", "FROM idempotency_keys t WHERE expires_at <= now() ORDER BY expires_at"
)


class Answer(NamedTuple):
    """What a write is answered. `body`: JSON; empty for none."""

    status: int
    body: str
    location: str | None = None
    etag: str | None = None


class SentOnce(NamedTuple):
    """What makes two requests the same one. `body_hash`: SHA-256, hexadecimal. `life`: how long it is remembered."""

    user_id: int
    method: str
    path: str
    key: str
    body_hash: str
    life: timedelta = KEPT


def answer_once(
    connection: Connection, sent: SentOnce, work: Callable[[Connection], Answer]
) -> tuple[Answer, bool]:
    """Do the work, or find the answer of the time when it was done; True: it was found.

    All writes of a user that come this way take turns. What `work` raises undoes everything: a refusal is not kept.
    Raises AppError: 401 for a user who is gone, 409 for a key that came with another body.
    """
    lock_owner(connection, sent.user_id)
    kept = connection.execute(FIND, sent._asdict()).first()
    if kept is None:
        answer = work(connection)
        connection.execute(KEEP, sent._asdict() | answer._asdict())
        connection.execute(SWEEP, {"limit": SWEPT})
        return answer, False
    *found, body_hash = kept
    if body_hash != sent.body_hash:
        raise AppError(
            ErrorCode.CONFLICT,
            "This Idempotency-Key came with another body. Take a new key for a new request.",
        )
    return Answer._make(found), True
