"""Whose turn it is: all that makes, links or deletes a Clerk user happens one after the other.

Without that a link takes the user's own row away between two statements of a session event or a first request. What they
then write refers to nothing (a foreign key fails, 503), or changes no row and is lost.
"""

from sqlalchemy import Connection, text

# Locks of the transaction, so PgBouncer may pool transactions; the user's first, so that no two transactions wait for
# each other. Two users with one address take turns too.
LOCK_USER_AND_EMAIL = text("""
SELECT pg_advisory_xact_lock(1, hashtext(:clerk_user_id)), pg_advisory_xact_lock(2, hashtext(lower(:email)))
""")


def lock_user(connection: Connection, clerk_user_id: str, email: str | None = None) -> None:
    """Take the turn of this user (and address) until the transaction ends."""
    connection.execute(LOCK_USER_AND_EMAIL, {"clerk_user_id": clerk_user_id, "email": email})
