"""Keeping what Clerk Billing says, and making the user's plan follow it. The caller has the user's turn (lock_user)."""

import json
import time
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from backend.models.choices import Plan
from backend.services.audit import SYNC
from backend.services.billing import Item, Report, State, derive_term, merge
from backend.services.provisioning import complete_user
from backend.services.subscriptions import change_plan

READ_STATE = text(
    "SELECT subscription_id, listed_at, items FROM clerk_billing WHERE clerk_user_id = :clerk_user_id"
)
WRITE_STATE = text("""
INSERT INTO clerk_billing (clerk_user_id, subscription_id, listed_at, items)
VALUES (:clerk_user_id, :subscription_id, :listed_at, CAST(:items AS jsonb))
ON CONFLICT (clerk_user_id) DO UPDATE SET
    subscription_id = excluded.subscription_id, listed_at = excluded.listed_at, items = excluded.items,
    updated_at = now()
""")

# As changes of admins do: the user's row first, then its subscription.
LOCK_LIVE_USER = text("""
SELECT user_id, clerk_updated_at IS NOT NULL AS has_profile FROM users
WHERE clerk_user_id = :clerk_user_id AND deleted_at IS NULL FOR NO KEY UPDATE
""")
IS_MANAGED = text("""
SELECT EXISTS (SELECT FROM subscriptions WHERE user_id = :user_id AND clerk_subscription_id IS NOT NULL)
""")
# stripe_customer_id is of the time before Clerk Billing: it is kept whatever happens here.
SET_TERM = text("""
UPDATE subscriptions
SET status = :status, period_start = :period_start, period_end = :period_end,
    clerk_subscription_id = :subscription_id, updated_at = now()
WHERE user_id = :user_id
""")


def apply_report(connection: Connection, report: Report) -> bool:
    """Add what an event says. False when it was known or is out of date, or the user was deleted."""
    user = connection.execute(LOCK_LIVE_USER, {"clerk_user_id": report.clerk_user_id}).first()
    if user is None:
        return False
    known = _read_state(connection, report.clerk_user_id)
    state = merge(known, report.state)
    if state == known:
        return False
    _write_state(connection, report.clerk_user_id, state)
    _follow(connection, user.user_id, state, has_profile=user.has_profile)
    return True


def take_up(connection: Connection, clerk_user_id: str) -> None:
    """After a profile: let the user's row follow what was said of the subscription before."""
    state = _read_state(connection, clerk_user_id)
    if state is None:
        return
    user = connection.execute(LOCK_LIVE_USER, {"clerk_user_id": clerk_user_id}).one()
    if not connection.execute(IS_MANAGED, {"user_id": user.user_id}).scalar_one():
        _follow(connection, user.user_id, state, has_profile=True)


def _follow(connection: Connection, user_id: int, state: State, *, has_profile: bool) -> None:
    term = derive_term(state, time.time_ns() // 1_000_000)
    # Clerk begins a free subscription with each new user, often before the user's profile is here. A row marked as
    # managed would no longer make room for the legacy row that the profile may lead to (linking).
    is_mark_due = has_profile or term.plan is not Plan.FREE
    complete_user(connection, user_id=user_id)
    change_plan(connection, SYNC, user_id, term.plan)
    values = {
        "user_id": user_id,
        "status": term.status,
        "period_start": _instant(term.period_start),
        "period_end": None if term.period_end is None else _instant(term.period_end),
        "subscription_id": state.subscription_id if is_mark_due else None,
    }
    connection.execute(SET_TERM, values)


def _read_state(connection: Connection, clerk_user_id: str) -> State | None:
    row = connection.execute(READ_STATE, {"clerk_user_id": clerk_user_id}).first()
    if row is None:
        return None
    items = {item_id: Item(**item) for item_id, item in row.items.items()}
    return State(row.subscription_id, row.listed_at, items)


def _write_state(connection: Connection, clerk_user_id: str, state: State) -> None:
    items = {item_id: item._asdict() for item_id, item in state.items.items()}
    values = {"clerk_user_id": clerk_user_id, "items": json.dumps(items)}
    connection.execute(
        WRITE_STATE, values | {"subscription_id": state.subscription_id, "listed_at": state.listed_at}
    )


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
