"""Webhooks: which come and which do not, and those that wait for somebody."""

import json
import time
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Connection, exists, func, select, text

from backend.models import User, WebhookEvent
from backend.services.clerk.billing_payloads import UNKNOWN_PLAN
from backend.services.clerk.mirror.kinds import KINDS
from backend.services.clerk.webhooks.events import EVENT_TYPES
from backend.services.clerk.webhooks.ledger import UNRESOLVED
from backend.services.doctor.finding import Finding, Subject, failed, off, ok, show_age
from backend.services.plans.catalogue import CLERK_SLUGS

PLANS_READ = 200  # of the newest events with plans of no known name

LAST_OF_TYPES = (
    select(WebhookEvent.type, func.extract("epoch", func.max(WebhookEvent.received_at)))
    .where(WebhookEvent.type.is_not(None))
    .group_by(WebhookEvent.type)
    .order_by(func.max(WebhookEvent.received_at).desc())
)
IS_USED = select(exists().where(User.clerk_user_id.is_not(None), User.deleted_at.is_(None)))
# What we learned otherwise (a backfill, a request), of the time since there are webhooks. One may be an hour late.
SELECT_MISSED = """
SELECT bool_or(updated_at > since AND updated_at < until AND deleted_at IS NULL) AS is_changed,
       bool_or(deleted_at > since AND deleted_at < until) AS is_deleted
FROM {table}, (SELECT min(received_at) AS since, now() - interval '1 hour' AS until FROM webhook_events) AS webhooks
WHERE source NOT IN ('webhook', 'inngest')
"""
SELECT_UNRESOLVED = (
    select(WebhookEvent.status, func.count(), func.extract("epoch", func.min(WebhookEvent.received_at)))
    .where(WebhookEvent.status.in_(UNRESOLVED))
    .group_by(WebhookEvent.status)
    .order_by(WebhookEvent.status)
)
SELECT_UNKNOWN_PLANS = (
    select(WebhookEvent.payload)
    .where(WebhookEvent.status.in_(UNRESOLVED), WebhookEvent.error == UNKNOWN_PLAN)
    .order_by(WebhookEvent.received_at.desc())
    .limit(PLANS_READ)
)


def check_webhooks(subject: Subject) -> Finding:
    """When the last one of each type came."""
    last = subject.read(read_last_of_types)
    if not last:
        if subject.read(lambda connection: connection.execute(IS_USED).scalar_one()):
            return failed(
                "none has ever come, though there are users of Clerk",
                "Add an endpoint for https://…/api/webhooks at Clerk, and set CLERK_WEBHOOK_SECRET to its secret.",
            )
        return off("none yet")
    now = time.time()
    return ok(", ".join(f"{kind} {show_age(now - at)} ago" for kind, at in last.items()))


def check_webhook_types(subject: Subject) -> Finding:
    """That Clerk sends each type there is something to tell of."""
    came = subject.read(read_last_of_types).keys()
    if missed := subject.read(lambda connection: set(find_missed(connection, came))):
        return failed(
            f"none has come of {_show_types(missed)}, though it happened at Clerk",
            "Let your endpoint at Clerk subscribe to them.",
        )
    missing = EVENT_TYPES.keys() - came
    return ok(f"none missed; none came yet of {_show_types(missing)}" if missing else "each has come")


def check_waiting_events(subject: Subject) -> Finding:
    waiting = subject.read(lambda connection: connection.execute(SELECT_UNRESOLVED).all())
    if not waiting:
        return ok("none")
    now = time.time()
    told = ", ".join(f"{count} {status} (for {show_age(now - float(at))})" for status, count, at in waiting)
    return failed(
        told, "See why with `flask --app wsgi webhooks list --status dead --status failed`, mend it, and replay them."
    )


def check_plans(subject: Subject) -> Finding:
    """That we know every plan that somebody pays for: who has another one stays on the plan from before."""
    payloads = subject.read(lambda connection: connection.execute(SELECT_UNKNOWN_PLANS).scalars().all())
    if not payloads:
        return ok("Clerk has named none that is not known here")
    slugs = {slug for payload in payloads if payload for slug in _slugs(json.loads(payload)["data"])}
    if unknown := sorted(slugs - CLERK_SLUGS.keys()):
        return failed(
            f"events wait for plans that are not known here: {', '.join(unknown)}",
            "Add the slugs to CLERK_SLUGS in backend/services/plans/catalogue.py: the next start applies the events.",
        )
    return failed(
        "events wait for plans that are known by now", "Run `flask --app wsgi webhooks replay --status dead`."
    )


def read_last_of_types(connection: Connection) -> dict[str, float]:
    """When the last event of each type came, in Unix seconds; the newest first."""
    return {str(kind): float(at) for kind, at in connection.execute(LAST_OF_TYPES)}


def find_missed(connection: Connection, came: AbstractSet[str]) -> Iterator[str]:
    """The types of which none came, though our copy knows of what they tell."""
    for kind in KINDS.values():
        types = {name for name in EVENT_TYPES if name.startswith(f"{kind.event}.")}
        missed = connection.execute(text(SELECT_MISSED.format(table=kind.table))).one()
        if missed.is_changed and not types & came:
            yield from types
        elif missed.is_deleted:
            yield from types & {f"{kind.event}.deleted"} - came


def _show_types(types: Collection[str]) -> str:
    """Where all of one kind are meant, `organization.*`."""
    families = {name: f"{name.partition('.')[0]}." for name in types}
    whole = {
        family
        for family in families.values()
        if all(name in families for name in EVENT_TYPES if name.startswith(family))
    }
    return ", ".join(sorted({f"{family}*" if family in whole else name for name, family in families.items()}))


def _slugs(data: dict[str, Any]) -> Iterator[str]:
    """Of the item that the data is, or of the items that it lists. It was read before, so it has the form."""
    for item in data.get("items", [data]):
        if item.get("plan"):
            yield item["plan"]["slug"]
