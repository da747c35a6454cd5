"""What is due to go: rows that nothing needs any more, deleted a batch at a time."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, TextClause, text

from backend.services.campaigns import RESTORABLE

# A few ms each: nobody waits long for a row, and whoever stops it loses no more than one batch.
BATCH = 1_000
# Clocks differ, and a token is good for a minute after its session.
GRACE = timedelta(days=1)
# For 90 days Svix keeps an event, and a person can send it again from the dashboard: so long the ledger knows that it was
# dealt with. Even later it would do no harm: an old profile, session or subscription is stale, and a tombstone stays.
LEDGER_KEPT = timedelta(days=90)


@dataclass(frozen=True)
class Due:
    """Which rows of a table go: those whose `since`, a column with an index, is `kept` ago or longer."""

    table: str
    since: str
    kept: timedelta
    only: str = "true"

    @property
    def condition(self) -> str:
        return f"{self.since} <= now() - :kept AND {self.only}"

    @property
    def count(self) -> TextClause:
        return text(f"SELECT count(*) FROM {self.table} WHERE {self.condition}")  # noqa: S608 - all of it is ours

    @property
    def delete(self) -> TextClause:
        # Left alone is a row that is just being restored or applied again, and one that another purge has.
        return text(f"""
        DELETE FROM {self.table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {self.table} WHERE {self.condition}
            ORDER BY {self.since} LIMIT :limit FOR UPDATE SKIP LOCKED
        ))
        """)  # noqa: S608


ALL_DUE = (
    Due("campaigns", "deleted_at", RESTORABLE),
    Due("idempotency_keys", "expires_at", timedelta()),
    Due("revoked_sessions", "expires_at", GRACE),
    # Those that could not be applied wait for people, however long.
    Due("webhook_events", "received_at", LEDGER_KEPT, only="status IN ('applied', 'stale', 'ignored')"),
)


def count_due(connection: Connection, due: Due) -> int:
    """How many rows would go now."""
    number: int = connection.execute(due.count, {"kept": due.kept}).scalar_one()
    return number


def delete_batch(connection: Connection, due: Due) -> int:
    """Delete the oldest rows that are due, at most BATCH; return how many. 0: nothing is left, or others hold it."""
    return connection.execute(due.delete, {"kept": due.kept, "limit": BATCH}).rowcount
