"""Giving what belongs to one user to another: after a merge at Clerk, or where Clerk has a deleted person again.

What moves follows from backend/resources.py. Never moved: the profile, the role, the audit trail, and who may come in.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, PrimaryKeyConstraint, Table, UniqueConstraint, func, select, text, update

from backend.database.locks import lock_users
from backend.errors import AppError, ErrorCode
from backend.models import Base, Subscription, User
from backend.models.roles_plans_scopes import Plan
from backend.models.subscription import HAS_LAPSED
from backend.resources import OWNED, Owned
from backend.services import audit
from backend.services.audit import Action, Actor
from backend.services.outbox.announcements import AppEvent, announce_user
from backend.services.plans.renewal import read_plan, set_plan
from backend.services.plans.subscriptions import change_plan
from backend.services.users.accounts import complete_user

# Months of both add up; the limit of a month stays the one that the user had.
COUNTED = ("tokens_used", "campaigns_created", "api_requests")
MOVE_USAGE = text(f"""
WITH moved AS (
    DELETE FROM usage_metrics WHERE user_id = :source AND ({", ".join(COUNTED)}) <> (0, 0, 0) RETURNING *
)
INSERT INTO usage_metrics AS own (user_id, period_start, period_end, tokens_limit, {", ".join(COUNTED)})
SELECT :into, period_start, period_end, tokens_limit, {", ".join(COUNTED)} FROM moved
ON CONFLICT (user_id, period_start) DO UPDATE
SET {", ".join(f"{name} = own.{name} + excluded.{name}" for name in COUNTED)}, updated_at = now()
""")  # noqa: S608 - all of it is ours

# A plan of Clerk Billing is paid for by the Clerk user, and stays with that one.
LOCK_GIVEN = text(f"""
SELECT s.plan, s.status, s.period_end, s.stripe_customer_id FROM subscriptions s
WHERE s.user_id = :source AND s.plan <> 'free' AND s.clerk_subscription_id IS NULL AND {HAS_LAPSED} IS NOT TRUE
FOR NO KEY UPDATE
""")  # noqa: S608 - all of it is ours


class Moved(NamedTuple):
    """`rows`: how many of each table. `left`: those of which the other user has the like already, where only one may
    be. `plan`: the one that came along.
    """

    rows: dict[str, int]
    left: dict[str, int]
    plan: Plan | None


def merge_users(connection: Connection, actor: Actor, source: int, into: int, retention: timedelta) -> Moved:
    """Move what belongs to `source`, deleted or not, and its usage, to the live user `into`. Quotas are not checked.

    `retention`: how long what belonged to a deleted user may still be moved. Raises AppError: 404 for an unknown user,
    409 for one that is too long gone, or whom a link has just changed.
    """
    is_live = not _lock_both(connection, source, into, retention).is_deleted
    moved = _move(connection, actor, Action.USER_MERGED, source, into)
    if is_live:
        announce_user(connection, AppEvent.USER_UPDATED, source)
    return moved


def restore_user(
    connection: Connection, actor: Actor, source: int, clerk_user_id: str, retention: timedelta
) -> tuple[int, Moved]:
    """The same for a deleted user whom Clerk has again, under another id. Returns the user_id there, too.

    The old row stays what it is, so that no late event about the old id finds anybody.
    """
    named = select(User.user_id).where(User.clerk_user_id == clerk_user_id, User.deleted_at.is_(None))
    into = connection.execute(named).scalar()
    if into is None:
        raise AppError(ErrorCode.NOT_FOUND, f"There is no live user {clerk_user_id} here, or not yet.")
    if not _lock_both(connection, source, into, retention).is_deleted:
        raise AppError(ErrorCode.CONFLICT, "This user is not deleted. To move what it has: `flask users merge`.")
    return into, _move(connection, actor, Action.USER_RESTORED, source, into)


def _lock_both(connection: Connection, source: int, into: int, retention: timedelta) -> Any:  # noqa: ANN401 - a row
    """Lock as database/locks.py says, and return the row of `source`."""
    if source == into:
        raise AppError(ErrorCode.CONFLICT, "This is one and the same user.")
    rows = select(
        User.user_id,
        User.clerk_user_id,
        User.deleted_at.is_not(None).label("is_deleted"),
        (User.deleted_at <= func.now() - retention).label("is_due"),
    )
    rows = rows.where(User.user_id.in_([source, into])).order_by(User.user_id)
    before = connection.execute(rows).all()
    lock_users(connection, [row.clerk_user_id for row in before if row.clerk_user_id], ())
    locked = connection.execute(rows.with_for_update(key_share=True)).all()
    users = {row.user_id: row for row in locked}
    if users.keys() != {source, into}:
        raise AppError(ErrorCode.NOT_FOUND, "There is no such user.")
    if [row.clerk_user_id for row in locked] != [row.clerk_user_id for row in before]:
        raise AppError(ErrorCode.CONFLICT, "One of them has just been linked. Look at both, and try again.")
    if users[into].is_deleted:
        raise AppError(ErrorCode.CONFLICT, "This user was deleted. That is final.")
    if users[source].is_due:
        days = retention.days
        raise AppError(ErrorCode.CONFLICT, f"User {source} was deleted more than {days} days ago: that is erased.")
    return users[source]


def _move(connection: Connection, actor: Actor, action: Action, source: int, into: int) -> Moved:
    # It locks these two users only, and an operator waits: 600,000 rows take longer than a statement may.
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    plan = _move_plan(connection, actor, source, into)
    belongings = [owned for owned in OWNED if owned.is_belonging]
    rows = {owned.table: move_rows(connection, owned, source, into) for owned in belongings}
    rows["usage_metrics"] = connection.execute(MOVE_USAGE, {"source": source, "into": into}).rowcount
    complete_user(connection, user_id=source)
    left = {owned.table: _count(connection, owned.table, source) for owned in belongings}
    moved = Moved(_some(rows), _some(left), plan)
    details = {"rows": moved.rows, "left": moved.left, "plan": plan}
    audit.record(connection, actor, action, into, from_user_id=source, **details)
    audit.record(connection, actor, action, source, into_user_id=into, **details)
    announce_user(connection, AppEvent.USER_UPDATED, into)
    return moved


def _count(connection: Connection, table: str, user_id: int) -> int:
    counted = text(f"SELECT count(*) FROM {table} WHERE user_id = :user_id")  # noqa: S608 - ours
    return int(connection.execute(counted, {"user_id": user_id}).scalar_one())


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def move_rows(connection: Connection, owned: Owned, source: int, into: int) -> int:
    """Give the rows of `source` to `into`, but for those of which `into` has the like already; return how many."""
    table: Table = owned.model.__table__  # type: ignore[assignment] # every model here is a table
    also = f", {owned.when_moved}" if owned.when_moved else ""
    unlike = "".join(
        f" AND NOT EXISTS (SELECT FROM {table} own WHERE own.user_id = :into AND {same})" for same in _likes(table)
    )
    users = {"source": source, "into": into}
    moving = f"UPDATE {table} t SET user_id = :into{also} WHERE t.user_id = :source{unlike}"  # noqa: S608 - ours
    moved = connection.execute(text(moving), users).rowcount
    for part, on in _parts(owned.model):
        following = f"UPDATE {part} p SET user_id = :into FROM {table} t WHERE p.user_id = :source AND {on}"  # noqa: S608
        connection.execute(text(f"{following} AND t.user_id = :into"), users)
    return moved


def _likes(table: Table) -> list[str]:
    """When two rows cannot both be one user's, as SQL."""
    uniques = [each.columns for each in table.constraints if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)]
    uniques += [index.columns for index in table.indexes if index.unique]
    return [
        " AND ".join(f"own.{column.name} = t.{column.name}" for column in columns if column.name != "user_id") or "true"
        for columns in uniques
        if "user_id" in columns
    ]


def _parts(model: type[Base]) -> list[tuple[Table, str]]:
    """The tables whose rows are part of a row of this one and have its user_id, too; how they lead there, as SQL."""
    return [
        (part, f"p.{key.parent.name} = t.{key.column.name}")
        for part in model.metadata.sorted_tables
        for key in part.foreign_keys
        if key.column.table is model.__table__ and "user_id" in part.columns
    ]


def _move_plan(connection: Connection, actor: Actor, source: int, into: int) -> Plan | None:
    """A plan that was given here, to a user who has only the free one; with its end, where it has one."""
    complete_user(connection, user_id=into)
    if read_plan(connection, into) is not Plan.FREE:
        return None
    given = connection.execute(LOCK_GIVEN, {"source": source}).first()
    if given is None:
        return None
    plan = Plan(given.plan)
    set_plan(connection, actor, into, plan)
    change_plan(connection, actor, source, Plan.FREE)
    ending = {} if given.period_end is None else {"status": given.status, "period_end": given.period_end}
    customer = func.coalesce(Subscription.stripe_customer_id, given.stripe_customer_id)
    own = update(Subscription).where(Subscription.user_id == into)
    connection.execute(own.values(ending | {"stripe_customer_id": customer}))
    others = update(Subscription).where(Subscription.user_id == source)
    connection.execute(others.values(stripe_customer_id=None, period_end=None))
    return plan
