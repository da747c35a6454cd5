"""Clerk Billing: what it says of a user's subscription, and the plan that follows from all it said.

A subscription consists of items, each with a plan and a status of its own; a change of plan ends one item and begins
another. `subscriptionItem.*` tells of one item, by the item's `updated_at`. `subscription.*` lists the items there are
at the subscription's `updated_at`: one that is older and not in the list is gone. For each item the newest word counts,
so events in any order, any number of times, lead to one state. The subscription's `updated_at` alone would not do:
that an item was canceled or ended is told by an event of the item only. So is its status: what the subscription's own
says counts only when all of it is over.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from backend.models.choices import Plan
from backend.services.clerk.payloads import Unprocessable, read_identifier, read_instant
from backend.services.plans.catalogue import CLERK_SLUGS

# In the order of an item's life: of two words of the same millisecond the later stage counts.
STAGES = ("incomplete", "upcoming", "active", "past_due", "canceled", "abandoned", "expired", "ended")
GRANTING = frozenset({"active", "past_due", "canceled"})
# A subscription in these gives nothing, whatever its items say.
OVER = frozenset({"incomplete", "abandoned", "expired", "ended"})

log = logging.getLogger(__name__)


class Item(NamedTuple):
    """One plan that a user subscribes to. Times are Unix milliseconds, as Clerk's.

    `plan`: its slug, one of CLERK_SLUGS while the item grants something; else empty.
    """

    plan: str
    status: str
    updated_at: int
    seen_at: int
    period_start: int | None
    period_end: int | None

    @property
    def rank(self) -> tuple[Any, ...]:
        """The newest counts. The rest only decides between two words of one millisecond."""
        end = self.period_end
        return (
            self.updated_at,
            STAGES.index(self.status),
            self.plan,
            self.period_start or 0,
            end is None,
            end or 0,
        )

    def is_in_force(self, now: int) -> bool:
        """A canceled item lasts until its period ends; one whose payment failed lasts until Clerk ends it."""
        if self.status == "canceled":
            return self.period_end is None or self.period_end > now
        return self.status in GRANTING


class State(NamedTuple):
    """All that is known of a user's subscription at Clerk. `listed_at`: the newest `subscription.*`; 0 without one."""

    subscription_id: str
    listed_at: int
    items: Mapping[str, Item]


class Report(NamedTuple):
    """What one event says of a user's subscription."""

    clerk_user_id: str
    state: State


class Term(NamedTuple):
    """The plan that follows, as `subscriptions` has it. Times are Unix milliseconds."""

    plan: Plan
    status: str
    period_start: int
    period_end: int | None


def read_report(data: dict[str, Any], *, is_list: bool) -> Report | None:
    """Read the `data` of an event: a subscription with the list of its items, or one item.

    None: not for us, an organization pays. Raises Unprocessable.
    """
    payer = data.get("payer")
    if not isinstance(payer, dict):
        raise Unprocessable("data.payer is missing or not an object")
    if payer.get("organization_id"):
        return None
    clerk_user_id = read_identifier(payer, "user_id")
    return Report(clerk_user_id, _read_list(data) if is_list else _read_single(data))


def _read_single(data: dict[str, Any]) -> State:
    item = _read_item(data, listed_at=0)
    return State(read_identifier(data, "subscription_id"), 0, {read_identifier(data, "id"): item})


def _read_list(data: dict[str, Any]) -> State:
    subscription_id = read_identifier(data, "id")
    listed_at = _read_time(data, "updated_at")
    status = _read_status(data)
    entries = data.get("items")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Unprocessable("data.items is missing or not a list of objects")
    items = {}
    for entry in entries if status not in OVER else ():
        items[read_identifier(entry, "id")] = _read_item(entry, listed_at=listed_at)
    return State(subscription_id, listed_at, items)


def _read_item(data: dict[str, Any], *, listed_at: int) -> Item:
    status = _read_status(data)
    # Clerk may name no plan, or one of long ago: what grants nothing needs none.
    slug = _read_slug(data) if status in GRANTING else ""
    updated_at = _read_time(data, "updated_at")
    start, end = (
        None if data.get(name) is None else _read_time(data, name) for name in ("period_start", "period_end")
    )
    return Item(slug, status, updated_at, max(updated_at, listed_at), start, end)


def _read_slug(data: dict[str, Any]) -> str:
    """The slug of one of our plans. What another one allows we cannot say: the event is kept, the user's plan stays."""
    plan = data.get("plan")
    slug = plan.get("slug") if isinstance(plan, dict) else None
    if not isinstance(slug, str):
        raise Unprocessable("data.plan.slug is missing or not a text")
    if slug not in CLERK_SLUGS:
        log.warning(
            "Clerk Billing names a plan that is none of ours: %.200r. The event is kept as dead. "
            "Add the slug to CLERK_SLUGS in backend/services/plans/catalogue.py, then send the event again.",
            slug,
        )
        raise Unprocessable(
            "data.plan.slug is none of our plans: add it to CLERK_SLUGS, then send the event again"
        )
    return slug


def _read_status(data: dict[str, Any]) -> str:
    status = data.get("status")
    if not isinstance(status, str) or status not in STAGES:
        raise Unprocessable("data.status is missing or not a status of Clerk Billing")
    return status


def _read_time(data: dict[str, Any], name: str) -> int:
    read_instant(data, name)
    milliseconds: int = data[name]
    return milliseconds


def merge(one: State | None, other: State) -> State:
    """What both say together. In any order and grouping the same."""
    if one is None:
        return other
    listed_at = max(one.listed_at, other.listed_at)
    items: dict[str, Item] = {}
    for item_id, item in [*one.items.items(), *other.items.items()]:
        known = items.get(item_id, item)
        newest = max(known, item, key=lambda version: version.rank)
        items[item_id] = newest._replace(seen_at=max(known.seen_at, item.seen_at))
    newer = max(one, other, key=lambda state: (_newest(state), state.subscription_id))
    # One that is gone cannot come back by an old event: that would be as old.
    present = {item_id: item for item_id, item in items.items() if item.seen_at >= listed_at}
    return State(newer.subscription_id, listed_at, present)


def derive_term(state: State, now: int) -> Term:
    """The plan that the items give at `now`: the highest of those in force, else the free one."""
    granting = (item for item in state.items.values() if item.status in GRANTING)
    chosen = max(granting, key=lambda item: _precedence(item, now), default=None)
    if chosen is None:
        return Term(Plan.FREE, "active", _newest(state), None)
    plan = CLERK_SLUGS[chosen.plan] if chosen.is_in_force(now) else Plan.FREE
    start = chosen.updated_at if chosen.period_start is None else chosen.period_start
    return Term(plan, chosen.status, start, chosen.period_end)


def _precedence(item: Item, now: int) -> tuple[Any, ...]:
    plan = list(Plan).index(CLERK_SLUGS[item.plan])
    return item.is_in_force(now), plan, -STAGES.index(item.status), item.rank


def _newest(state: State) -> int:
    return max([state.listed_at, *(item.updated_at for item in state.items.values())])
