"""Locks that transactions take in one order, and rows that are deleted only where nobody holds a lock.

All that makes, links or deletes a Clerk user happens under the advisory lock of that user, one after the other. Without
it a link takes the user's own row away between two statements of a session event or a first request: what they then
write refers to nothing (a foreign key fails, 503), or changes no row and is lost.
"""

from sqlalchemy import Connection, TextClause, text

# Locks of the transaction, so PgBouncer may pool transactions; the user's first, so that no two transactions wait for
# each other. Two users with one address wait for each other too.
LOCK_USER_AND_EMAIL = text("""
SELECT pg_advisory_xact_lock(1, hashtext(:clerk_user_id)), pg_advisory_xact_lock(2, hashtext(lower(:email)))
""")


def lock_user(connection: Connection, clerk_user_id: str, email: str | None = None) -> None:
    """Hold the advisory lock of this user (and address) until the transaction ends."""
    connection.execute(LOCK_USER_AND_EMAIL, {"clerk_user_id": clerk_user_id, "email": email})


def delete_unlocked(table: str, rows: str) -> TextClause:
    """The statement that deletes at most `:limit` rows. `rows`: the FROM clause that finds them as `t`, and what
    follows it.

    It should sort them as an index does: without that PostgreSQL may read the whole table for somebody who has much of
    it. A row that somebody holds is left alone: it is just being restored or applied again, or another purge has it.
    """
    return text(f"""
    DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT t.ctid {rows} LIMIT :limit FOR UPDATE OF t SKIP LOCKED))
    """)  # noqa: S608 - all of it is ours
