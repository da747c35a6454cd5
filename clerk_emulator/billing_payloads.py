"""Subscriptions, their items and plans in the shapes of Clerk's Backend API, and in the others of its webhooks."""

import sqlite3
from typing import Any

from clerk_emulator.payloads import picture_url

_CURRENCY = {"currency": "USD", "currency_symbol": "$"}
_ITEM_TIMES = ("period_start", "period_end", "past_due_at", "canceled_at", "ended_at", "created_at", "updated_at")
_SUBSCRIPTION_TIMES = ("active_at", "past_due_at", "created_at", "updated_at")


def subscription(db: sqlite3.Connection, row: sqlite3.Row, instance_id: str, base_url: str) -> dict[str, Any]:
    items = db.execute("SELECT * FROM subscription_items WHERE subscription_id = ? ORDER BY rowid", (row["id"],))
    current = [item for item in items if item["ended_at"] is None]
    return {
        "object": "commerce_subscription",
        "id": row["id"],
        "instance_id": instance_id,
        "status": row["status"],
        "payer_id": row["payer_id"],
        "subscription_items": [subscription_item(db, one, instance_id, base_url) for one in current],
        "eligible_for_free_trial": False,
    } | {name: row[name] for name in _SUBSCRIPTION_TIMES}


def subscription_item(db: sqlite3.Connection, item: sqlite3.Row, instance_id: str, base_url: str) -> dict[str, Any]:
    payer = _payer(db, item["subscription_id"], base_url)
    return {
        "object": "commerce_subscription_item",
        "id": item["id"],
        "instance_id": instance_id,
        "status": item["status"],
        "plan_id": item["plan_id"],
        "plan": plan(db.execute("SELECT * FROM plans WHERE id = ?", (item["plan_id"],)).fetchone()),
        "plan_period": item["plan_period"],
        "payer_id": payer["id"],
        "payer": {name: value or None for name, value in payer.items()} | {"instance_id": instance_id},
        "is_free_trial": False,
    } | {name: item[name] for name in _ITEM_TIMES}


def plan(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "object": "commerce_plan",
        "id": row["id"],
        "name": row["name"],
        "slug": row["slug"],
        "fee": _money(row["amount"]),
        "annual_monthly_fee": _money(row["amount"]),
        "annual_fee": _money(12 * row["amount"]),
        "description": None,
        "product_id": f"cprod_{row['id'].removeprefix('cplan_')}",
        "is_default": False,
        "is_recurring": row["amount"] > 0,
        "publicly_visible": True,
        "has_base_fee": row["amount"] > 0,
        "for_payer_type": row["for_payer_type"],
        "avatar_url": None,
        "features": [],
        "free_trial_enabled": False,
        "free_trial_days": None,
    }


def subscription_event(db: sqlite3.Connection, row: sqlite3.Row, base_url: str) -> dict[str, Any]:
    items = db.execute("SELECT * FROM subscription_items WHERE subscription_id = ? ORDER BY rowid", (row["id"],))
    return {
        "object": "commerce_subscription",
        "id": row["id"],
        "status": row["status"],
        "canceled_at": row["canceled_at"],
        "ended_at": row["ended_at"],
        "latest_payment_id": None,
        "payment_source_id": None,
        "payer_id": row["payer_id"],
        "payer": _payer(db, row["id"], base_url),
        "items": [_item(db, item) for item in items.fetchall()],
    } | {name: row[name] for name in _SUBSCRIPTION_TIMES}


def item_event(db: sqlite3.Connection, item: sqlite3.Row, base_url: str) -> dict[str, Any]:
    return _item(db, item) | {"payer": _payer(db, item["subscription_id"], base_url)}


def _item(db: sqlite3.Connection, item: sqlite3.Row) -> dict[str, Any]:
    plan_row = db.execute("SELECT * FROM plans WHERE id = ?", (item["plan_id"],)).fetchone()
    return {
        "object": "commerce_subscription_item",
        "id": item["id"],
        "status": item["status"],
        "is_free_trial": False,
        "interval": item["plan_period"],
        "plan_id": item["plan_id"],
        "plan": {
            "id": plan_row["id"],
            "slug": plan_row["slug"],
            "name": plan_row["name"],
            "is_recurring": plan_row["amount"] > 0,
            "amount": plan_row["amount"],
            "currency": _CURRENCY["currency"],
        },
        "subscription_id": item["subscription_id"],
    } | {name: item[name] for name in ("period_start", "period_end", "created_at", "updated_at")}


def _payer(db: sqlite3.Connection, subscription_id: str, base_url: str) -> dict[str, Any]:
    """Give who pays, with empty texts for what a user or an organization does not have."""
    row = db.execute(
        "SELECT s.payer_id, s.user_id, s.organization_id, s.created_at, s.updated_at, u.first_name, u.last_name,"
        " e.email_address, o.name FROM subscriptions AS s LEFT JOIN users AS u ON u.id = s.user_id"
        " LEFT JOIN email_addresses AS e ON e.id = u.primary_email_address_id"
        " LEFT JOIN organizations AS o ON o.id = s.organization_id WHERE s.id = ?",
        (subscription_id,),
    ).fetchone()
    return {
        "object": "commerce_payer",
        "id": row["payer_id"],
        "user_id": row["user_id"] or "",
        "first_name": row["first_name"] or "",
        "last_name": row["last_name"] or "",
        "email": row["email_address"] or "",
        "organization_id": row["organization_id"] or "",
        "organization_name": row["name"] or "",
        "image_url": picture_url(base_url, None),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _money(cents: int) -> dict[str, Any]:
    return {"amount": cents, "amount_formatted": f"{cents / 100:.2f}"} | _CURRENCY
