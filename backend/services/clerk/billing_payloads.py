"""Reading what Clerk Billing sends: a subscription with the list of its items, or one item."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from backend.services.clerk.payloads import (
    ClerkObject,
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

UNKNOWN_PLAN = "data.plan.slug is none of our plans: add it to CLERK_SLUGS, then send the event again"

log = logging.getLogger(__name__)


class Item(NamedTuple):
    """One plan that a user subscribes to. Times are Unix milliseconds, as Clerk's.

    `plan`: its slug, one of CLERK_SLUGS while the item grants something; else empty.
    """

    plan: str
    status: str
    updated_at: int
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
    """All that is known of a subscription at Clerk. `listed_at`: the newest `subscription.*`; 0 without one."""

    subscription_id: str
    listed_at: int
    items: Mapping[str, Item]


Status = Annotated[str, refusing(lambda value: value not in STAGES, "is not a status of Clerk Billing")]


class Report(NamedTuple):
    """What an event says: of a subscription with its items, or of one item. `payer`: Clerk id."""

    payer: str
    is_of_user: bool
    subscription: ClerkObject | None
    items: list[ClerkObject]


class _Payer(Payload):
    organization_id: str | None = None
    user_id: object = None


class _User(Payload):
    user_id: Identifier


class _Organization(Payload):
    organization_id: Identifier


class _Paid(Payload):
    payer: _Payer


class _PaidByUser(Payload):
    payer: _User


class _PaidByOrganization(Payload):
    payer: _Organization


class _Plan(Payload):
    slug: str


class _Granted(Payload):
    plan: _Plan


class _Item(Payload):
    """Clerk's types and its specification disagree on whether an item in a list has an `updated_at`."""

    id: Identifier
    status: Status
    updated_at: Past | None = None
    period_start: Milliseconds | None = None
    period_end: Milliseconds | None = None


class _SingleItem(_Item):
    subscription_id: Identifier


class _Subscription(Payload):
    id: Identifier
    status: Status
    updated_at: Past
    items: list[dict[str, Any]]


def read_report(data: dict[str, Any], as_of: int, *, is_list: bool) -> Report:
    """Read the `data` of an event. Raises Unprocessable.

    The plans of organizations are the application's to understand: their slugs may be any.
    """
    payer: str
    is_of_user = not read_payload(_Paid, data).payer.organization_id
    if is_of_user:
        payer = read_payload(_PaidByUser, data).payer.user_id
    else:
        payer = read_payload(_PaidByOrganization, data).payer.organization_id
    if not is_list:
        item = _read_item(_SingleItem, data, as_of, is_of_user=is_of_user)
        return Report(payer, is_of_user, None, [item])
    subscription = read_payload(_Subscription, data, as_of)
    # An item in a list names neither its subscription nor who pays.
    whole = {"subscription_id": subscription.id, "payer": data["payer"]}
    entries = subscription.items if subscription.status not in OVER else ()
    items = [_read_item(_Item, entry | whole, subscription.updated_at, is_of_user=is_of_user) for entry in entries]
    listed = ClerkObject.of(subscription.id, subscription.updated_at, data)
    return Report(payer, is_of_user, listed, list({item.id: item for item in items}.values()))


def _read_item(form: type[_Item], data: dict[str, Any], as_of: int, *, is_of_user: bool) -> ClerkObject:
    item = read_payload(form, data, as_of)
    if (
        is_of_user and item.status in GRANTING
    ):  # Clerk may name no plan, or one of long ago: what grants nothing needs none
        _check_slug(data)
    return ClerkObject.of(item.id, as_of if item.updated_at is None else item.updated_at, data)


def _check_slug(data: dict[str, Any]) -> None:
    """What a plan that is none of ours allows we cannot say: the event is kept, the user's plan stays."""
    slug = read_payload(_Granted, data).plan.slug
    if slug not in CLERK_SLUGS:
        log.warning(
            "Clerk Billing names a plan that is none of ours: %.200r. The event is kept as dead. "
            "Add the slug to CLERK_SLUGS in backend/services/plans/catalogue.py, then send the event again.",
            slug,
        )
        raise Unprocessable(UNKNOWN_PLAN)
