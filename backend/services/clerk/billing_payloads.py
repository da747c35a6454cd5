"""Reading what Clerk Billing sends: a subscription with the list of its items, or one item."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from backend.services.clerk.payloads import (
    Identifier,
    Milliseconds,
    Past,
    Payload,
    Unprocessable,
    read_payload,
    refusing,
)
from backend.services.plans.catalogue import CLERK_SLUGS

# In the order of an item's life: of two events of the same millisecond the later stage counts.
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
        """The newest counts. The rest only decides between two events of one millisecond."""
        end = self.period_end
        return (self.updated_at, STAGES.index(self.status), self.plan, self.period_start or 0, end is None, end or 0)

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


Status = Annotated[str, refusing(lambda value: value not in STAGES, "is not a status of Clerk Billing")]


class _Payer(Payload):
    organization_id: str | None = None
    user_id: object = None


class _User(Payload):
    user_id: Identifier


class _Paid(Payload):
    payer: _Payer


class _PaidByUser(Payload):
    payer: _User


class _Plan(Payload):
    slug: str


class _Granted(Payload):
    plan: _Plan


class _Item(Payload):
    id: Identifier
    status: Status
    updated_at: Past
    period_start: Milliseconds | None = None
    period_end: Milliseconds | None = None


class _SingleItem(_Item):
    subscription_id: Identifier


class _Subscription(Payload):
    id: Identifier
    status: Status
    updated_at: Past
    items: list[dict[str, Any]]


def read_report(data: dict[str, Any], as_of: int, *, is_list: bool) -> tuple[str, State] | None:
    """Read the `data` of an event: the Clerk id of the user, and what it says of the user's subscription.

    None: not for us, an organization pays. Raises Unprocessable.
    """
    if read_payload(_Paid, data).payer.organization_id:
        return None
    clerk_user_id = read_payload(_PaidByUser, data).payer.user_id
    if not is_list:
        item = read_payload(_SingleItem, data, as_of)
        only = {item.id: _to_item(item, data, listed_at=0)}
        return clerk_user_id, State(item.subscription_id, 0, only)
    subscription = read_payload(_Subscription, data, as_of)
    listed_at = subscription.updated_at
    items = {}
    for entry in subscription.items if subscription.status not in OVER else ():
        listed = read_payload(_Item, entry, as_of)
        items[listed.id] = _to_item(listed, entry, listed_at=listed_at)
    return clerk_user_id, State(subscription.id, listed_at, items)


def _to_item(item: _Item, data: dict[str, Any], *, listed_at: int) -> Item:
    # Clerk may name no plan, or one of long ago: what grants nothing needs none.
    slug = _read_slug(data) if item.status in GRANTING else ""
    seen_at = max(item.updated_at, listed_at)
    return Item(slug, item.status, item.updated_at, seen_at, item.period_start, item.period_end)


def _read_slug(data: dict[str, Any]) -> str:
    """The slug of one of our plans. What another one allows we cannot say: the event is kept, the user's plan stays."""
    slug = read_payload(_Granted, data).plan.slug
    if slug not in CLERK_SLUGS:
        log.warning(
            "Clerk Billing names a plan that is none of ours: %.200r. The event is kept as dead. "
            "Add the slug to CLERK_SLUGS in backend/services/plans/catalogue.py, then send the event again.",
            slug,
        )
        raise Unprocessable("data.plan.slug is none of our plans: add it to CLERK_SLUGS, then send the event again")
    return slug
