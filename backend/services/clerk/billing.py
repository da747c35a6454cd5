"""Clerk Billing: what it says of a user's subscription, and the plan that follows from all it said.

A subscription consists of items, each with a plan and a status of its own; a change of plan ends one item and begins
another. `subscriptionItem.*` tells of one item, by the item's `updated_at`. `subscription.*` lists the items there are
at the subscription's `updated_at`: one that is older and not in the list is gone. For each item the newest event
counts, so events in any order, any number of times, lead to one state. The subscription's `updated_at` alone would not
do: that an item was canceled or ended is told by an event of the item only. So is its status: what the subscription's
own says counts only when all of it is over.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from backend.database.locks import lock_user
from backend.models import ClerkBilling, Subscription, User
from backend.models.roles_plans_scopes import Plan
from backend.models.subscription import HAS_LAPSED
from backend.services.audit import SYNC
from backend.services.clerk.billing_payloads import GRANTING, STAGES, Item, State, read_report
from backend.services.clerk.mirror.apply import Mirror, Outcome
from backend.services.clerk.payloads import MAX_AHEAD, now_ms, to_instant
from backend.services.plans.catalogue import CLERK_SLUGS
from backend.services.plans.subscriptions import change_plan

# A paid plan without the mark of Clerk was given by an admin, an operator or the older system. `now`: the database's,
# as HAS_LAPSED has it, or the two could disagree on whether a plan has ended.
LOCK_SUBSCRIPTION = text(f"""
SELECT s.plan <> 'free' AND s.clerk_subscription_id IS NULL AND {HAS_LAPSED} IS NOT TRUE AS is_given_here,
       floor(extract(epoch FROM now()) * 1000)::bigint AS now
FROM subscriptions s WHERE s.user_id = :user_id FOR NO KEY UPDATE
""")  # noqa: S608 - all of it is ours


class Term(NamedTuple):
    """The plan that follows, as `subscriptions` has it. Times are Unix milliseconds."""

    plan: Plan
    status: str
    period_start: int
    period_end: int | None


def apply(mirror: Mirror, connection: Connection, data: dict[str, Any], as_of: int, *, is_list: bool) -> Outcome:
    """Add what an event says of a subscription with the list of its items, or of one item.

    Stale when it was known or is out of date, or the user was deleted.
    """
    report = read_report(data, as_of, is_list=is_list)
    if report is None:
        return Outcome.IGNORED
    clerk_user_id, said = report
    lock_user(connection, clerk_user_id)
    mirror.ensure_user(connection, clerk_user_id)
    # As changes of admins do: the user's row first, then its subscription.
    live = select(User.user_id).where(User.clerk_user_id == clerk_user_id, User.deleted_at.is_(None))
    user_id = connection.execute(live.with_for_update(key_share=True)).scalar()
    if user_id is None:
        return Outcome.STALE
    known = read_state(connection, user_id)
    state = merge(known, said)
    if state == known:
        return Outcome.STALE
    values = state._asdict() | {"items": {item_id: item._asdict() for item_id, item in state.items.items()}}
    statement = insert(ClerkBilling).values(values | {"clerk_user_id": clerk_user_id})
    newest = {name: statement.excluded[name] for name in values} | {"updated_at": func.now()}
    connection.execute(statement.on_conflict_do_update(index_elements=["clerk_user_id"], set_=newest))
    follow(connection, user_id, state)
    return Outcome.APPLIED


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


def follow(connection: Connection, user_id: int, state: State) -> None:
    """Let a complete user's plan be what Clerk grants now. Where it grants none, a plan that was given here stays.

    The row is marked as Clerk's with a paid plan only. Clerk begins a free subscription with each new user, often
    before the profile is here, and a marked row would not make room for the legacy row that the profile may lead to
    (linking).
    """
    row = connection.execute(LOCK_SUBSCRIPTION, {"user_id": user_id}).one()
    term = derive_term(state, row.now)
    is_free = term.plan is Plan.FREE
    if is_free and row.is_given_here:
        return
    change_plan(connection, SYNC, user_id, term.plan)
    # stripe_customer_id is of the time before Clerk Billing: it is kept whatever happens here.
    values = {
        "status": term.status,
        "period_start": to_instant(term.period_start),
        "period_end": None if term.period_end is None else to_instant(term.period_end),
        "clerk_subscription_id": None if is_free else state.subscription_id,
        "updated_at": func.now(),
    }
    connection.execute(update(Subscription).where(Subscription.user_id == user_id).values(values))


def read_state(connection: Connection, user_id: int) -> State | None:
    """All that Clerk Billing said of a user.

    Times that lie ahead are not believed, so that the next event counts: an older release took whatever Clerk sent.
    """
    said = select(ClerkBilling.subscription_id, ClerkBilling.listed_at, ClerkBilling.items)
    joined = said.join(User, User.clerk_user_id == ClerkBilling.clerk_user_id)
    row = connection.execute(joined.where(User.user_id == user_id)).first()
    if row is None:
        return None
    latest = now_ms() + MAX_AHEAD // timedelta(milliseconds=1)
    listed_at = row.listed_at if row.listed_at <= latest else 0
    items = {}
    # `_mapping`: a row has a method of the name `items`.
    for item_id, values in row._mapping["items"].items():  # noqa: SLF001
        item = Item(**values)
        updated_at = item.updated_at if item.updated_at <= latest else 0
        # Seen with the list at the earliest, or the item would count as gone.
        seen_at = item.seen_at if item.seen_at <= latest else max(updated_at, listed_at)
        items[item_id] = item._replace(updated_at=updated_at, seen_at=seen_at)
    return State(row.subscription_id, listed_at, items)
