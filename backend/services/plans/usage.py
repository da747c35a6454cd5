"""What each user used in each calendar month (UTC): requests, what they made, and the tokens that they spend.

Requests are counted in memory and added for all users at once: a write for each would double the cost of a read.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from backend.database.rows import read_row
from backend.errors import AppError, ErrorCode
from backend.models.usage_metrics import MONTH_START
from backend.services.plans.catalogue import quota_exceeded
from backend.services.users.accounts import complete_user

MONTHS_SHOWN = 24


class Month(NamedTuple):
    """The usage of one calendar month, UTC."""

    period_start: datetime
    period_end: datetime
    tokens_used: int
    tokens_limit: int
    campaigns_created: int
    api_requests: int
    is_current: bool


class Balance(NamedTuple):
    """The tokens of one calendar month, UTC. `period_end`: when the next one begins."""

    tokens_used: int
    tokens_limit: int
    period_end: datetime

    @property
    def remaining(self) -> int:
        """Never negative: a lowered limit may lie below what was used before."""
        return max(0, self.tokens_limit - self.tokens_used)


# All of the SQL below is ours; values are parameters.
LIST_MONTHS = text(f"""
SELECT period_start, period_end, tokens_used, tokens_limit, campaigns_created, api_requests,
       period_start = {MONTH_START} AS is_current
FROM usage_metrics WHERE user_id = :user_id AND period_start <= {MONTH_START}
ORDER BY period_start DESC LIMIT {MONTHS_SHOWN}
""")  # noqa: S608

# Looked at and spent by one statement: of two spends of one user the second waits for the row, and sees the first.
SPEND = text(f"""
UPDATE usage_metrics SET tokens_used = tokens_used + :amount, updated_at = now()
WHERE user_id = :user_id AND period_start = {MONTH_START} AND tokens_used <= tokens_limit - :amount
RETURNING tokens_used, tokens_limit, period_end
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
    return [read_row(Month, row) for row in connection.execute(LIST_MONTHS, {"user_id": user_id})]


def balance_of(month: Month) -> Balance:
    return Balance(month.tokens_used, month.tokens_limit, month.period_end)


def spend_tokens(connection: Connection, user_id: int, amount: int) -> Balance:
    """Take `amount` (at least 1) from this month. Raises AppError: 402 if less is left, 401 for a user who is gone."""
    spent = _spend(connection, user_id, amount)
    if spent is None:
        # Too little, or the first use in a month that has just begun: reading makes its row.
        balance = balance_of(read_months(connection, user_id)[0])
        spent = _spend(connection, user_id, amount)
    if spent is None:
        raise quota_exceeded(
            "Fewer tokens are left this month than this takes. Nothing was spent.",
            limit=balance.tokens_limit,
            used=balance.tokens_used,
            resets_at=balance.period_end,
        )
    return spent


def _spend(connection: Connection, user_id: int, amount: int) -> Balance | None:
    row = connection.execute(SPEND, {"user_id": user_id, "amount": amount}).first()
    return None if row is None else read_row(Balance, row)


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
