"""What Clerk Billing sends, made small."""

from typing import Any

from tests.support.clerk import now_ms
from tests.support.database import Sql

USER = "user_1"
SUBSCRIPTION = "csub_1"
DAY = 86_400_000
FUTURE = now_ms() + 20 * DAY
PAST = now_ms() - 20 * DAY
BILLED = "SELECT plan, status, period_end, clerk_subscription_id, stripe_customer_id FROM subscriptions"
EVENTS = "SELECT action, source, details FROM audit_events ORDER BY audit_id"


def payer(user_id: str | None = USER, organization_id: str = "") -> dict[str, Any]:
    return {"object": "commerce_payer", "user_id": user_id, "organization_id": organization_id}


def item(slug: str = "pro", at: int = 1, status: str = "active", **changes: Any) -> dict[str, Any]:
    """An item of a subscription, last changed `at`. Its id is the plan's unless `id` says otherwise."""
    return {
        "object": "commerce_subscription_item",
        "id": f"csub_item_{slug}",
        "status": status,
        "is_free_trial": False,
        "created_at": 1,
        "updated_at": at,
        "period_start": at,
        "period_end": None,
        "interval": "month",
        "plan": {"slug": slug, "name": slug.title(), "amount": 2000, "currency": "USD"},
        "subscription_id": None,
    } | changes


def alone(slug: str = "pro", at: int = 1, status: str = "active", **changes: Any) -> dict[str, Any]:
    """The `data` of subscriptionItem.*."""
    own = {"object": "subscription_item", "subscription_id": SUBSCRIPTION, "payer": payer()}
    return item(slug, at, status, **own | changes)


def listing(*items: dict[str, Any], at: int = 1, status: str = "active", **changes: Any) -> dict[str, Any]:
    """The `data` of subscription.*."""
    return {
        "object": "commerce_subscription",
        "id": SUBSCRIPTION,
        "status": status,
        "updated_at": at,
        "payer": payer(),
        "items": list(items),
    } | changes


def status(answer: Any) -> str:
    """Of an event that was delivered."""
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])


def plan(sql: Sql) -> tuple[str, str]:
    """Of the only user: the plan and its status."""
    row = sql.row(BILLED)
    return row["plan"], row["status"]
