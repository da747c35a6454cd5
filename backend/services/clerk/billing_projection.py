"""Keeping what Clerk Billing says, and making the user's plan follow it. The caller has the user's turn (lock_user)."""

import json
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from backend.models.choices import Plan
from backend.models.subscription import HAS_LAPSED
from backend.services.audit import SYNC
from backend.services.clerk.billing import Item, Report, State, derive_term, merge
from backend.services.plans.plan_changes import change_plan

READ_STATE = text("""
SELECT b.subscription_id, b.listed_at, b.items
FROM clerk_billing b JOIN users u ON u.clerk_user_id = b.clerk_user_id WHERE u.user_id = :user_id
""")
WRITE_STATE = text("""
INSERT INTO clerk_billing (clerk_user_id, subscription_id, listed_at, items)
VALUES (:clerk_user_id, :subscription_id, :listed_at, CAST(:items AS jsonb))
ON CONFLICT (clerk_user_id) DO UPDATE SET
    subscription_id = excluded.subscription_id, listed_at = excluded.listed_at, items = excluded.items,
    updated_at = now()
""")

# As changes of admins do: the user's row first, then its subscription.
LOCK_LIVE_USER = text("""
SELECT user_id FROM users WHERE clerk_user_id = :clerk_user_id AND deleted_at IS NULL FOR NO KEY UPDATE
""")
# A paid plan without the mark of Clerk was given by an admin, an operator or the older system. `now`: the database's, as
# HAS_LAPSED has it, or the two could disagree on whether a plan has ended.
LOCK_SUBSCRIPTION = text(f"""
SELECT s.plan <> 'free' AND s.clerk_subscription_id IS NULL AND {HAS_LAPSED} IS NOT TRUE AS is_given_here,
       floor(extract(epoch FROM now()) * 1000)::bigint AS now
FROM subscriptions s WHERE s.user_id = :user_id FOR NO KEY UPDATE
""")  # noqa: S608 - all of it is ours
# stripe_customer_id is of the time before Clerk Billing: it is kept whatever happens here.
SET_TERM = text("""
UPDATE subscriptions
SET status = :status, period_start = :period_start, period_end = :period_end,
    clerk_subscription_id = :subscription_id, updated_at = now()
WHERE user_id = :user_id
""")


def apply_report(connection: Connection, report: Report) -> bool:
    """Add what an event says. False when it was known or is out of date, or the user was deleted. The user is complete."""
    user_id = connection.execute(LOCK_LIVE_USER, {"clerk_user_id": report.clerk_user_id}).scalar()
    if user_id is None:
        return False
    known = read_state(connection, user_id)
    state = merge(known, report.state)
    if state == known:
        return False
    _write_state(connection, report.clerk_user_id, state)
    follow(connection, user_id, state)
    return True


def follow(connection: Connection, user_id: int, state: State) -> None:
    """Let a complete user's plan be what Clerk grants now. Where it grants none, a plan that was given here stays.

    The row is marked as Clerk's with a paid plan only. Clerk begins a free subscription with each new user, often before
    the profile is here, and a marked row would not make room for the legacy row that the profile may lead to (linking).
    """
    row = connection.execute(LOCK_SUBSCRIPTION, {"user_id": user_id}).one()
    term = derive_term(state, row.now)
    is_free = term.plan is Plan.FREE
    if is_free and row.is_given_here:
        return
    change_plan(connection, SYNC, user_id, term.plan)
    values = {
        "user_id": user_id,
        "status": term.status,
        "period_start": _instant(term.period_start),
        "period_end": None if term.period_end is None else _instant(term.period_end),
        "subscription_id": None if is_free else state.subscription_id,
    }
    connection.execute(SET_TERM, values)


def read_state(connection: Connection, user_id: int) -> State | None:
    """All that Clerk Billing said of a user."""
    row = connection.execute(READ_STATE, {"user_id": user_id}).first()
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
