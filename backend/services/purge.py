"""What is due to go: rows that nothing needs any more, deleted a batch at a time."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, TextClause, text

from backend.database.locks import delete_unlocked
from backend.services.campaigns.campaigns import RESTORABLE

# A few ms each: nobody waits long for a row, and whoever stops it loses no more than one batch.
BATCH = 1_000
# Clocks differ, and a token is good for a minute after its session.
GRACE = timedelta(days=1)
# For 90 days Svix keeps an event, and a person can send it again from the dashboard: so long the ledger knows that it was
# dealt with. Even later it would do no harm: an old profile, session or subscription is stale, and a tombstone stays.
LEDGER_KEPT = timedelta(days=90)


@dataclass(frozen=True)
class Due:
    """Rows that go. `name`: what the command calls them."""

    name: str
    count: TextClause
    delete: TextClause
    kept: timedelta = timedelta()


def aged(table: str, since: str, kept: timedelta, *, only: str = "true") -> Due:
    """The rows of a table whose `since`, a column with an index, is `kept` ago or longer."""
    found = f"FROM {table} t WHERE {since} <= now() - :kept AND {only}"
    delete = delete_unlocked(table, f"{found} ORDER BY {since}")
    return Due(table, text(f"SELECT count(*) {found}"), delete, kept)


# What the event of a deleted user left. Tombstones are in ix_users_switched_off; for each one its campaigns are looked for: a
# join of both tables could be a walk through all campaigns.
ERASABLE = Due(
    "campaigns of deleted users",
    text("""
    SELECT coalesce(sum((SELECT count(*) FROM campaigns WHERE user_id = u.user_id)), 0)
    FROM users u WHERE u.deleted_at IS NOT NULL AND NOT u.is_active
    """),
    delete_unlocked(
        "campaigns",
        """
        FROM users u CROSS JOIN LATERAL (
            SELECT ctid FROM campaigns WHERE user_id = u.user_id
            ORDER BY deleted_at, created_at, campaign_id LIMIT :limit
        ) AS t
        WHERE u.deleted_at IS NOT NULL AND NOT u.is_active
        ORDER BY u.user_id
        """,
    ),
)
AGED = (
    aged("campaigns", "deleted_at", RESTORABLE),
    aged("idempotency_keys", "expires_at", timedelta()),
    aged("revoked_sessions", "expires_at", GRACE),
    # Those that could not be applied wait for people, however long.
    aged("webhook_events", "received_at", LEDGER_KEPT, only="status IN ('applied', 'stale', 'ignored')"),
)
ALL_DUE = (ERASABLE, *AGED)


def count_due(connection: Connection, due: Due) -> int:
    """How many rows would go now."""
    return int(connection.execute(due.count, {"kept": due.kept}).scalar_one())


def delete_batch(connection: Connection, due: Due) -> int:
    """Delete the first rows that are due, at most BATCH; return how many. 0: nothing is left, or others hold it."""
    return connection.execute(due.delete, {"kept": due.kept, "limit": BATCH}).rowcount
