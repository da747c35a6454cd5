"""How many rows a user may have of what the plan limits: no more are made, or the oldest go."""

from sqlalchemy import Connection, TextClause, text

from backend.database.locks import delete_unlocked
from backend.resources import Owned
from backend.services.plans.catalogue import quota_exceeded
from backend.services.plans.renewal import read_plan

AT_ONCE = 5  # more than one call can add, so that a table shrinks again after a rush


def check_quota(connection: Connection, user_id: int, owned: Owned) -> None:
    """Whoever makes a row asks this first, and holds the row of the user: two creations would not see each other.

    Raises AppError (402) where the plan has no room for one more.
    """
    if owned.quota is None:
        raise TypeError(f"backend/resources.py names no quota for {owned.table}")
    plan = read_plan(connection, user_id)
    limit = owned.quota.limits[plan]
    if limit is None:
        return
    used = connection.execute(count_rows(owned), {"user_id": user_id}).scalar_one()
    if used >= limit:
        detail = f"The plan {plan} has room for {limit} {owned.quota.noun}. {owned.quota.advice}"
        raise quota_exceeded(detail, limit=limit, used=used)


def keep_newest(connection: Connection, user_id: int, owned: Owned) -> None:
    """Of the rows that have ended delete what the plan does not keep, a few with each call.

    What is there from a larger plan goes with `flask purge` in its time.
    """
    if owned.newest is None:
        raise TypeError(f"backend/resources.py does not say how many rows of {owned.table} are kept")
    kept = owned.newest.kept[read_plan(connection, user_id)]
    connection.execute(delete_surplus(owned), {"user_id": user_id, "kept": kept, "limit": AT_ONCE})


def delete_surplus(owned: Owned) -> TextClause:
    """The statement that deletes at most `:limit` of the rows that have ended, the oldest first, but for the newest
    `:kept`.
    """
    return delete_unlocked(
        owned.table,
        f"""
        FROM {owned.table} t
        WHERE user_id = :user_id AND {owned.ended} < (
            SELECT {owned.ended} FROM {owned.table} WHERE user_id = :user_id AND {owned.ended} IS NOT NULL
            ORDER BY {owned.ended} DESC OFFSET :kept - 1 LIMIT 1
        )
        ORDER BY {owned.ended}
        """,  # noqa: S608 - ours
    )


def count_rows(owned: Owned) -> TextClause:
    """The statement that counts what `:user_id` has of it."""
    return text(owned.counting(":user_id"))
