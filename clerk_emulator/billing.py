"""Who pays for which plan: what Clerk's checkout and its payment provider do, as commands."""

import sqlite3
from typing import Any, Literal

from clerk_emulator import billing_payloads, organizations, outbox, store, users
from clerk_emulator.clock import now_ms
from clerk_emulator.context import Change
from clerk_emulator.errors import not_found
from clerk_emulator.ids import new_id

Period = Literal["month", "annual"]

_DAY = 24 * 60 * 60 * 1000
_DAYS = {"month": 30, "annual": 365}


def find_subscription(db: sqlite3.Connection, payer: str) -> sqlite3.Row:
    """Find the subscription of a user or an organization."""
    row = _select_subscription(db, payer)
    if row is None:
        raise not_found("subscription", payer)
    return row


def find_item(db: sqlite3.Connection, item_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM subscription_items WHERE id = ?", (item_id,)).fetchone()
    if row is None:
        raise not_found("subscription item", item_id)
    return row


def current_item(db: sqlite3.Connection, subscription: sqlite3.Row) -> sqlite3.Row:
    """Find the one item of a subscription that is not over."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM subscription_items WHERE subscription_id = ? AND ended_at IS NULL", (subscription["id"],)
    ).fetchone()
    if row is None:
        raise not_found("current subscription item", subscription["id"])
    return row


def subscribe(change: Change, payer: str, slug: str, period: Period, amount: int) -> sqlite3.Row:
    """Give a payer this plan, in place of the one there is; a plan that is not there yet is made. Amount: in cents."""
    now = now_ms()
    subscription = _select_subscription(change.db, payer)
    plan_id = _plan(change.db, "org" if payer.startswith("org_") else "user", slug, amount)
    is_new = subscription is None
    if subscription is None:
        owner = _owner(change.db, payer)
        row = {"id": new_id("csub"), "payer_id": new_id("cpayer"), "status": "active", "active_at": now}
        store.insert(change.db, "subscriptions", row | owner | {"created_at": now, "updated_at": now})
        subscription = find_subscription(change.db, payer)
    ended = change.db.execute(
        "UPDATE subscription_items SET status = 'ended', ended_at = ?, updated_at = ?"
        " WHERE subscription_id = ? AND ended_at IS NULL RETURNING id",
        (now, now, subscription["id"]),
    ).fetchall()
    item = {
        "id": new_id("csub_item"),
        "subscription_id": subscription["id"],
        "plan_id": plan_id,
        "plan_period": period,
        "status": "active",
        "period_start": now,
        "period_end": now + _DAYS[period] * _DAY,
        "created_at": now,
        "updated_at": now,
    }
    store.insert(change.db, "subscription_items", item)
    was_active = subscription["status"] == "active"
    over = {"past_due_at": None, "canceled_at": None, "ended_at": None}
    _write(change, "subscriptions", subscription, {"status": "active", "active_at": now} | over)
    for row in ended:
        _tell_item(change, "ended", row["id"])
    _tell(change, payer, "created" if is_new else "updated" if was_active else "active")
    return _tell_item(change, "active", str(item["id"]))


def cancel(change: Change, item: sqlite3.Row) -> sqlite3.Row:
    """Let the plan run out with its period, which is paid."""
    return _close(change, item, {"status": "canceled", "canceled_at": now_ms()}, "canceled", "updated")


def end(change: Change, item: sqlite3.Row) -> sqlite3.Row:
    """End the plan at once, as the end of the period does."""
    return _close(change, item, {"status": "ended", "ended_at": now_ms()}, "ended", "updated")


def fall_due(change: Change, item: sqlite3.Row) -> sqlite3.Row:
    """Have the payment fail."""
    return _close(change, item, {"status": "past_due", "past_due_at": now_ms()}, "pastDue", "pastDue")


def _close(change: Change, item: sqlite3.Row, columns: dict[str, Any], verb: str, told: str) -> sqlite3.Row:
    """Write the same to an item and its subscription, and tell of both."""
    subscription = change.db.execute("SELECT * FROM subscriptions WHERE id = ?", (item["subscription_id"],)).fetchone()
    _write(change, "subscription_items", item, columns)
    _write(change, "subscriptions", subscription, columns)
    _tell(change, subscription["user_id"] or subscription["organization_id"], told)
    return _tell_item(change, verb, item["id"])


def _write(change: Change, table: str, row: sqlite3.Row, columns: dict[str, Any]) -> None:
    store.update(change.db, table, row["id"], columns | {"updated_at": max(now_ms(), row["updated_at"] + 1)})


def _plan(db: sqlite3.Connection, payer_type: str, slug: str, amount: int) -> str:
    row = {
        "id": new_id("cplan"),
        "slug": slug,
        "for_payer_type": payer_type,
        "name": slug.replace("_", " ").replace("-", " ").capitalize(),
        "amount": amount,
        "created_at": now_ms(),
    }
    found = db.execute("SELECT id FROM plans WHERE slug = ? AND for_payer_type = ?", (slug, payer_type)).fetchone()
    if found is None:
        store.insert(db, "plans", row)
    return str(found["id"] if found else row["id"])


def _owner(db: sqlite3.Connection, payer: str) -> dict[str, str]:
    if payer.startswith("org_"):
        return {"organization_id": organizations.find(db, payer)["id"]}
    return {"user_id": users.find(db, payer)["id"]}


def _select_subscription(db: sqlite3.Connection, payer: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM subscriptions WHERE user_id = :payer OR organization_id = :payer", {"payer": payer}
    ).fetchone()
    return row


def _tell(change: Change, payer: str, verb: str) -> None:
    """Queue an event, in line with the others of its payer."""
    data = billing_payloads.subscription_event(change.db, find_subscription(change.db, payer), change.emulator.url)
    outbox.emit(change, f"subscription.{verb}", data, user_id=payer)


def _tell_item(change: Change, verb: str, item_id: str) -> sqlite3.Row:
    item = find_item(change.db, item_id)
    data = billing_payloads.item_event(change.db, item, change.emulator.url)
    payer = data["payer"]["organization_id"] or data["payer"]["user_id"]
    outbox.emit(change, f"subscriptionItem.{verb}", data, user_id=payer)
    return item
