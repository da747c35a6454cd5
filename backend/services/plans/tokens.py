"""Spending the tokens of a month."""

from datetime import datetime
from typing import NamedTuple, Self

from sqlalchemy import Connection, text

from backend.models.usage_metrics import MONTH_START
from backend.services.plans.quotas import quota_exceeded
from backend.services.plans.usage import Month, read_months


class Balance(NamedTuple):
    """`limit` is of one calendar month, UTC; `resets_at` is its end."""

    used: int
    limit: int
    resets_at: datetime

    @classmethod
    def of(cls, month: Month) -> Self:
        return cls(month.tokens_used, month.tokens_limit, month.period_end)

    @property
    def remaining(self) -> int:
        """Never negative: a lowered limit may lie below what was used before."""
        return max(0, self.limit - self.used)


# Looked at and spent by one statement: two spends of one user take turns at the row, and the second sees the first.
SPEND = text(f"""
UPDATE usage_metrics SET tokens_used = tokens_used + :amount, updated_at = now()
WHERE user_id = :user_id AND period_start = {MONTH_START} AND tokens_used <= tokens_limit - :amount
RETURNING tokens_used, tokens_limit, period_end
""")  # noqa: S608 - all of it is ours


def spend_tokens(connection: Connection, user_id: int, amount: int) -> Balance:
    """Take `amount` (at least 1) from this month. Raises AppError: 402 when less is left, 401 for a user who is gone."""
    spent = _spend(connection, user_id, amount)
    if spent is None:
        # Too little, or the first use in a month that has just begun: reading makes its row.
        balance = Balance.of(read_months(connection, user_id)[0])
        spent = _spend(connection, user_id, amount)
    if spent is None:
        raise quota_exceeded(
            "Fewer tokens are left this month than this takes. Nothing was spent.",
            limit=balance.limit,
            used=balance.used,
            resets_at=balance.resets_at,
        )
    return spent


def _spend(connection: Connection, user_id: int, amount: int) -> Balance | None:
    row = connection.execute(SPEND, {"user_id": user_id, "amount": amount}).first()
    return None if row is None else Balance._make(row)
