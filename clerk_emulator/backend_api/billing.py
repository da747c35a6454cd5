"""Subscriptions of a user and of an organization, all items there are, and the plans."""

import sqlite3

from flask import Blueprint, Response, jsonify, request

from clerk_emulator import billing, billing_payloads, organizations, users
from clerk_emulator.backend_api.pages import like_query, one_of, select_page
from clerk_emulator.context import begin_change, current_emulator

blueprint = Blueprint("billing", __name__)

_ORDERS = {"created_at": "created_at"}
_ITEM_FILTERS = {
    # What is canceled runs on to the end of its period.
    "status": one_of("iif(status = 'canceled', 'active', status)", "status"),
    "payer_type": one_of("(SELECT for_payer_type FROM plans WHERE id = plan_id)", "payer_type"),
    "plan_id": one_of("plan_id", "plan_id"),
    "include_free": """(:include_free ->> '$[0]' = 'true'
        OR (SELECT amount FROM plans WHERE id = plan_id) > 0)""",
    "query": like_query("id", "subscription_id", "(SELECT slug FROM plans WHERE id = plan_id)"),
}
_PLAN_FILTERS = {"payer_type": one_of("for_payer_type", "payer_type")}


@blueprint.get("/users/<user_id>/billing/subscription")
def get_subscription_of_user(user_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return _subscription(db, users.find(db, user_id)["id"])


@blueprint.get("/organizations/<organization_id>/billing/subscription")
def get_subscription_of_organization(organization_id: str) -> Response:
    with current_emulator().store.transaction() as db:
        return _subscription(db, organizations.find(db, organization_id)["id"])


@blueprint.get("/billing/subscription_items")
def list_items() -> Response:
    with current_emulator().store.transaction() as db:
        page, total = select_page(db, "subscription_items", _ORDERS, _ITEM_FILTERS)
        emulator = current_emulator()
        data = [billing_payloads.subscription_item(db, row, emulator.instance.id, emulator.url) for row in page]
        return jsonify(data=data, total_count=total)


@blueprint.delete("/billing/subscription_items/<item_id>")
def cancel_item(item_id: str) -> Response:
    cancel = billing.end if request.args.get("end_now") == "true" else billing.cancel
    with begin_change() as change:
        item = cancel(change, billing.find_item(change.db, item_id))
        emulator = change.emulator
        return jsonify(billing_payloads.subscription_item(change.db, item, emulator.instance.id, emulator.url))


@blueprint.get("/billing/plans")
def list_plans() -> Response:
    with current_emulator().store.transaction() as db:
        page, total = select_page(db, "plans", _ORDERS, _PLAN_FILTERS)
        return jsonify(data=[billing_payloads.plan(row) for row in page], total_count=total)


def _subscription(db: sqlite3.Connection, payer: str) -> Response:
    emulator = current_emulator()
    row = billing.find_subscription(db, payer)
    return jsonify(billing_payloads.subscription(db, row, emulator.instance.id, emulator.url))
