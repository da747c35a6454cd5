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
from backend.services.provisioning import complete_user

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

# In the order of the ids: two workers that add for the same users would else wait for each other.
ADD_REQUESTS = text(f"""
WITH held AS (
    SELECT m.user_id, counted.requests
    FROM unnest(CAST(:user_ids AS bigint[]), CAST(:requests AS bigint[])) AS counted (user_id, requests)
    JOIN users u ON u.user_id = counted.user_id AND u.deleted_at IS NULL
    JOIN usage_metrics m ON m.user_id = counted.user_id AND m.period_start = {MONTH_START}
    ORDER BY m.user_id FOR NO KEY UPDATE OF m
)
UPDATE usage_metrics m SET api_requests = m.api_requests + held.requests, updated_at = now()
FROM held WHERE m.user_id = held.user_id AND m.period_start = {MONTH_START}
RETURNING m.user_id
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


def add_requests(connection: Connection, requests: Mapping[int, int]) -> None:
    """Add to `api_requests` of the current month, by user_id. Who was deleted or linked to another row gets nothing."""
    added = _add(connection, requests)
    # A month that has begun since these requests: their users have no row of it yet.
    missing = requests.keys() - added
    for user_id in missing:
        complete_user(connection, user_id=user_id)
    if missing:
        _add(connection, {user_id: requests[user_id] for user_id in missing})


def _add(connection: Connection, requests: Mapping[int, int]) -> set[int]:
    values = {"user_ids": list(requests), "requests": list(requests.values())}
    return set(connection.execute(ADD_REQUESTS, values).scalars())


class RequestCounts:
    """How many requests each user made since the last flush. For any number of threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[int, int] = {}

    def add_one(self, user_id: int) -> int:
        """Returns how many users have something."""
        with self._lock:
            counts = self._counts
            counts[user_id] = counts.get(user_id, 0) + 1
            return len(counts)

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
