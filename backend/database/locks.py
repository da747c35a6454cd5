"""Locks that transactions take in one order, and rows that are deleted only where nobody holds a lock.

All that makes, links or deletes a Clerk user happens under the advisory lock of that user, one after the other. Without
it a link takes the user's own row away between two statements of a session event or a first request: what they then
write refers to nothing (a foreign key fails, 503), or changes no row and is lost.
"""

from collections.abc import Collection

from sqlalchemy import Connection, TextClause, text

from backend.database.statements import PreparedStatement, Statement

# Locks of the transaction, so PgBouncer may pool transactions; the user's first, so that no two transactions wait for
# each other. Two users with one address wait for each other too.
LOCK = "SELECT pg_advisory_xact_lock(1, hashtext(:clerk_user_id)), pg_advisory_xact_lock(2, hashtext(lower(:address)))"
LOCK_USERS = Statement("""
SELECT pg_advisory_xact_lock(1, key) FROM (SELECT DISTINCT hashtext(u) AS key FROM unnest(:ids::text[]) u ORDER BY 1) k;
SELECT pg_advisory_xact_lock(2, key)
FROM (SELECT DISTINCT hashtext(lower(e)) AS key FROM unnest(:emails::text[]) e ORDER BY 1) k
""")
LOCK_USER_AND_EMAIL = PreparedStatement(LOCK)


def lock_user(connection: Connection, clerk_user_id: str, email: str | None = None) -> None:
    """Hold the advisory lock of this user (and address) until the transaction ends."""
    LOCK_USER_AND_EMAIL.run(connection, clerk_user_id=clerk_user_id, address=email)


def lock_users(connection: Connection, clerk_user_ids: Collection[str], emails: Collection[str]) -> None:
    """As lock_user(), of many; in one order, so that two of these do not wait for each other."""
    LOCK_USERS.run(connection, ids=list(clerk_user_ids), emails=list(emails))


def delete_unlocked(table: str, rows: str) -> TextClause:
    """The statement that deletes at most `:limit` rows. `rows`: the FROM clause that finds them as `t`, and what
    follows it.

    It should sort them as an index does: without that PostgreSQL may read the whole table for somebody who has much of
    it. A row that somebody holds is left alone: it is just being restored or applied again, or another purge has it.
    """
    return text(f"""
    DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT t.ctid {rows} LIMIT :limit FOR UPDATE OF t SKIP LOCKED))
    """)  # noqa: S608 - all of it is ours
