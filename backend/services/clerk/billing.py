"""Clerk Billing: what it says of a subscription, and the plan of a user that follows from all it said.

A subscription consists of items, each with a plan and a status of its own; a change of plan ends one item and begins
another. `subscriptionItem.*` tells of one item, by the item's `updated_at`. `subscription.*` lists the items there are
at the subscription's `updated_at`: one that is older and not in the list is gone. For each item the newest event
counts, so events in any order, any number of times, lead to one state. The subscription's `updated_at` alone would not
do: that an item was canceled or ended is told by an event of the item only. So is its status: what the subscription's
own says counts only when all of it is over.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, text, update

from backend.database.locks import lock_user
from backend.database.prepared_reads import PreparedRead
from backend.database.statements import Statement
from backend.models import Subscription, User
from backend.models.roles_plans_scopes import Plan
from backend.models.subscription import HAS_LAPSED
from backend.services.audit import SYNC
from backend.services.clerk.billing_payloads import GRANTING, OVER, STAGES, Item, Report, State, read_report
from backend.services.clerk.mirror.apply import Mirror, Outcome
from backend.services.clerk.mirror.kinds import KINDS
from backend.services.clerk.mirror.objects import Ties, write_objects
from backend.services.clerk.payloads import MAX_AHEAD, now_ms, to_instant
from backend.services.outbox.announcements import AppEvent, announce, announce_user
from backend.services.plans.catalogue import CLERK_SLUGS
from backend.services.plans.subscriptions import change_plan

# Times that lie ahead are not believed, so that the next event counts: an older release took whatever Clerk sent.
_AT = f"""
CASE WHEN updated_at > now() + interval '{MAX_AHEAD.total_seconds()} s' THEN 0
     ELSE round(extract(epoch FROM updated_at) * 1000)::bigint END AS at
"""
_NEWEST_LIST = f"""
SELECT id, status, jsonb_path_query_array(data, '$.items[*].id') AS items, {_AT} FROM clerk.subscriptions
WHERE (user_id = :payer OR organization_id = :payer) AND deleted_at IS NULL ORDER BY at DESC, id DESC LIMIT 1
"""  # noqa: S608 - all of it is ours
_TOLD = f"""
SELECT (SELECT to_jsonb(s) FROM ({_NEWEST_LIST}) s) AS listed, coalesce(jsonb_agg(i), '[]') AS items FROM (
    SELECT id, subscription_id, coalesce(plan, '') AS plan, status,
           (data ->> 'period_start')::bigint AS period_start, (data ->> 'period_end')::bigint AS period_end, {_AT}
    FROM clerk.subscription_items WHERE (user_id = :payer OR organization_id = :payer) AND deleted_at IS NULL
) i
"""  # noqa: S608 - all of it is ours
SELECT_NEWEST_LIST, SELECT_TOLD = Statement(_NEWEST_LIST), Statement(_TOLD)

# A paid plan without the mark of Clerk was given by an admin, an operator or the older system. `now`: the database's,
# as HAS_LAPSED has it, or the two could disagree on whether a plan has ended.
LOCK_SUBSCRIPTION = text(f"""
SELECT s.plan <> 'free' AND s.clerk_subscription_id IS NULL AND {HAS_LAPSED} IS NOT TRUE AS is_given_here,
       floor(extract(epoch FROM now()) * 1000)::bigint AS now
FROM subscriptions s WHERE s.user_id = :user_id FOR NO KEY UPDATE
""")  # noqa: S608 - all of it is ours


class Told(NamedTuple):
    """What Clerk said of what somebody pays for: the newest list, and each item. Times are Unix milliseconds."""

    listed: dict[str, Any] | None
    items: list[dict[str, Any]]


# $1: Clerk id of who pays.
FIND_TOLD: PreparedRead[Told] = PreparedRead(_TOLD.replace(":payer", "$1"), Told)


class Term(NamedTuple):
    """The plan that follows, as `subscriptions` has it. Times are Unix milliseconds."""

    plan: Plan
    status: str
    period_start: int
    period_end: int | None


def apply(mirror: Mirror, connection: Connection, data: dict[str, Any], as_of: int, *, is_list: bool) -> Outcome:
    """Add what an event says of a subscription with the list of its items, or of one item.

    Stale when it was known or is out of date, or the user was deleted. What an organization pays for is kept.
    """
    report = read_report(data, as_of, is_list=is_list)
    lock_user(connection, report.payer)
    if not report.is_of_user:
        is_news = _write(connection, report, mirror.source)
        if is_news:
            announce(connection, AppEvent.SUBSCRIPTION_CHANGED, {"organization_id": report.payer})
        return Outcome.of(is_news)
    mirror.ensure_user(connection, report.payer)
    # As changes of admins do: the user's row first, then its subscription.
    live = select(User.user_id).where(User.clerk_user_id == report.payer, User.deleted_at.is_(None))
    user_id = connection.execute(live.with_for_update(key_share=True)).scalar()
    if user_id is None or not _write(connection, report, mirror.source):
        return Outcome.STALE
    follow(connection, user_id)
    return Outcome.APPLIED


def _write(connection: Connection, report: Report, source: str) -> bool:
    """Bring the copy up to the report. False when nothing of it was newer."""
    kind, items = KINDS["subscription_items"], report.items
    if report.subscription is not None:
        if not write_objects(connection, KINDS["subscriptions"], [report.subscription], source, Ties.LOSE):
            return False
        write_objects(connection, kind, items, source, Ties.LOSE)
        return True
    newest = SELECT_NEWEST_LIST.run(connection, payer=report.payer).first()
    current = [item for item in items if newest is None or item.updated_at >= newest.at or item.id in newest.items]
    return bool(write_objects(connection, kind, current, source, Ties.LOSE))


def derive_term(state: State, now: int) -> Term:
    """The plan that the items give at `now`: the highest of those in force, else the free one."""
    granting = (item for item in state.items.values() if item.status in GRANTING and item.plan in CLERK_SLUGS)
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


def follow(connection: Connection, user_id: int) -> bool:
    """Let a complete user's plan be what Clerk grants now. False where Clerk Billing never said anything of the user.

    Where it grants none, a plan that was given here stays.

    The row is marked as Clerk's with a paid plan only. Clerk begins a free subscription with each new user, often
    before the profile is here, and a marked row would not make room for the legacy row that the profile may lead to
    (linking).
    """
    state = read_state(connection, _payer(connection, user_id))
    if state is None:
        return False
    row = connection.execute(LOCK_SUBSCRIPTION, {"user_id": user_id}).one()
    term = derive_term(state, row.now)
    is_free = term.plan is Plan.FREE
    if is_free and row.is_given_here:
        return True
    is_other_plan = change_plan(connection, SYNC, user_id, term.plan)
    # stripe_customer_id is of the time before Clerk Billing: it is kept whatever happens here.
    values = {
        "status": term.status,
        "period_start": to_instant(term.period_start),
        "period_end": None if term.period_end is None else to_instant(term.period_end),
        "clerk_subscription_id": None if is_free else state.subscription_id,
        "updated_at": func.now(),
    }
    connection.execute(update(Subscription).where(Subscription.user_id == user_id).values(values))
    if not is_other_plan:  # that was announced
        announce_user(connection, AppEvent.SUBSCRIPTION_CHANGED, user_id)
    return True


def take_back(connection: Connection, user_id: int) -> None:
    """End what Clerk gave a complete user of whom it has no subscription any more. What was given here stays."""
    if connection.execute(LOCK_SUBSCRIPTION, {"user_id": user_id}).one().is_given_here:
        return
    is_other_plan = change_plan(connection, SYNC, user_id, Plan.FREE)
    values = {"status": "active", "period_end": None, "clerk_subscription_id": None, "updated_at": func.now()}
    connection.execute(update(Subscription).where(Subscription.user_id == user_id).values(values))
    if not is_other_plan:
        announce_user(connection, AppEvent.SUBSCRIPTION_CHANGED, user_id)


def _payer(connection: Connection, user_id: int) -> str | None:
    return connection.execute(select(User.clerk_user_id).where(User.user_id == user_id)).scalar()


def read_state(connection: Connection, payer: str | None) -> State | None:
    """All that Clerk Billing said that still counts of what a user or an organization pays for. `payer`: Clerk id."""
    return _what_counts(Told._make(SELECT_TOLD.run(connection, payer=payer).one()))


def _what_counts(told: Told) -> State | None:
    newest, rows = told
    if newest is None and not rows:
        return None
    listed_at = 0 if newest is None else newest["at"]
    listed = set() if newest is None or newest["status"] in OVER else set(newest["items"])
    said = max([(row["at"], row["subscription_id"]) for row in rows] + ([(listed_at, newest["id"])] if newest else []))
    items = {
        row["id"]: Item(row["plan"], row["status"], row["at"], row["period_start"], row["period_end"])
        for row in rows
        if row["id"] in listed or row["at"] >= listed_at
    }
    return State(said[1], listed_at, items)


def organization_plan(told: Told) -> str | None:
    """Slug of the plan that an organization pays for and that is in force now. It may be any: see docs/plans.md."""
    state, now = _what_counts(told), now_ms()
    in_force = [item for item in state.items.values() if item.is_in_force(now)] if state else []
    chosen = max(in_force, key=lambda item: (-STAGES.index(item.status), item.rank), default=None)
    return chosen.plan or None if chosen else None
