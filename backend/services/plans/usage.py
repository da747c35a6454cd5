"""What each user used in each calendar month (UTC), and counting their requests.

Requests are counted in memory and added for all users at once: a write for each would double the cost of a read.
"""

from collections.abc import Mapping
from datetime import datetime
from threading import Lock
from typing import NamedTuple

from sqlalchemy import Connection, text

from backend.errors import AppError, ErrorCode
from backend.models.usage_metrics import MONTH_START
from backend.services.users.provisioning import complete_user

MONTHS_SHOWN = 24
# 100,000 users take 12 MB. More come together only while the database is away.
MOST_USERS = 100_000


class Month(NamedTuple):
    """The fields are the columns of LIST_MONTHS, in order."""

    period_start: datetime
    period_end: datetime
    tokens_used: int
    tokens_limit: int
    campaigns_created: int
    api_requests: int
    is_current: bool


# All of the SQL below is ours; values are parameters.
LIST_MONTHS = text(f"""
SELECT period_start, period_end, tokens_used, tokens_limit, campaigns_created, api_requests,
       period_start = {MONTH_START}
FROM usage_metrics WHERE user_id = :user_id AND period_start <= {MONTH_START}
ORDER BY period_start DESC LIMIT {MONTHS_SHOWN}
""")  # noqa: S608

# A row that somebody else is changing is left for the next time: waiting for it would hold all the others locked, and
# their owners' requests with them (3 s of a stalled spend were seen).
ADD_REQUESTS = text(f"""
WITH held AS (
    SELECT m.user_id, counted.requests
    FROM unnest(CAST(:user_ids AS bigint[]), CAST(:requests AS bigint[])) AS counted (user_id, requests)
    JOIN users u ON u.user_id = counted.user_id AND u.deleted_at IS NULL
    JOIN usage_metrics m ON m.user_id = counted.user_id AND m.period_start = {MONTH_START}
    FOR NO KEY UPDATE OF m SKIP LOCKED
)
UPDATE usage_metrics m SET api_requests = m.api_requests + held.requests, updated_at = now()
FROM held WHERE m.user_id = held.user_id AND m.period_start = {MONTH_START}
RETURNING m.user_id
""")  # noqa: S608

FIND_LIVE = text(f"""
SELECT u.user_id, EXISTS (
    SELECT FROM usage_metrics m WHERE m.user_id = u.user_id AND m.period_start = {MONTH_START}
) AS has_month
FROM users u WHERE u.user_id = ANY (:user_ids) AND u.deleted_at IS NULL ORDER BY u.user_id
""")  # noqa: S608

OWN_TRANSACTION = text("SELECT CAST(pg_current_xact_id() AS text)")
IS_COMMITTED = text("SELECT pg_xact_status(CAST(:transaction AS xid8)) IS NOT DISTINCT FROM 'committed'")


def read_months(connection: Connection, user_id: int) -> list[Month]:
    """The user's months, newest first; the first one is the current month, made now if missing.

    Raises AppError (401) for a user who is gone.
    """
    months = _list_months(connection, user_id)
    if not months or not months[0].is_current:
        complete_user(connection, user_id=user_id)
        months = _list_months(connection, user_id)
    if not months or not months[0].is_current:
        raise AppError(ErrorCode.USER_DELETED, "This user was deleted.")
    return months


def _list_months(connection: Connection, user_id: int) -> list[Month]:
    return [Month._make(row) for row in connection.execute(LIST_MONTHS, {"user_id": user_id})]


def add_requests(connection: Connection, requests: Mapping[int, int]) -> dict[int, int]:
    """Add to `api_requests` of the current month, by user_id. Who was deleted or linked to another row gets nothing.

    Returns what could not be added now, because somebody else is changing the row.
    """
    left = _add(connection, requests)
    if not left:
        return {}
    live = connection.execute(FIND_LIVE, {"user_ids": list(left)}).all()
    for user in live:
        if not user.has_month:  # it has begun since these requests
            complete_user(connection, user_id=user.user_id)
    return _add(connection, {user.user_id: left[user.user_id] for user in live})


def _add(connection: Connection, requests: Mapping[int, int]) -> dict[int, int]:
    """Returns what is left."""
    values = {"user_ids": list(requests), "requests": list(requests.values())}
    added = set(connection.execute(ADD_REQUESTS, values).scalars())
    return {user_id: number for user_id, number in requests.items() if user_id not in added}


class RequestCounts:
    """How many requests each user made since the last flush. For any number of threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[int, int] = {}

    def add_one(self, user_id: int) -> int:
        """Returns how many users have something, when this one is new; else 0."""
        with self._lock:
            counts = self._counts
            number = counts[user_id] = counts.get(user_id, 0) + 1
            return len(counts) if number == 1 else 0

    def take(self) -> dict[int, int]:
        """All of it, by user_id; nothing is left here."""
        with self._lock:
            taken, self._counts = self._counts, {}
            return taken

    def put_back(self, taken: dict[int, int]) -> int:
        """What could not be written. Beyond MOST_USERS the oldest are dropped; returns how many users that are."""
        with self._lock:
            for user_id, number in self._counts.items():
                taken[user_id] = taken.get(user_id, 0) + number
            dropped = max(0, len(taken) - MOST_USERS)
            for user_id in list(taken)[:dropped]:
                del taken[user_id]
            self._counts = taken
            return dropped


class OnlyOnce:
    """Tells work that is tried again whether it was committed before: the confirmation of a commit can be lost.

    Made before the transaction, asked first in it, and then part of it. An addition would else count twice.
    """

    def __init__(self) -> None:
        self._transaction: str | None = None

    def is_done(self, connection: Connection) -> bool:
        if self._transaction is not None:
            values = {"transaction": self._transaction}
            is_committed: bool = connection.execute(IS_COMMITTED, values).scalar_one()
            if is_committed:
                return True
        self._transaction = connection.execute(OWN_TRANSACTION).scalar_one()
        return False
