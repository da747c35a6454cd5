"""How long rows are kept that nothing needs any more, and what deletes them, a batch at a time."""

import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection, TextClause, text

from backend.database.locks import delete_unlocked
from backend.database.transactions import Transact
from backend.resources import OWNED, AtErasure, Owned

# A few ms each: nobody waits long for a row, and whoever stops it loses no more than one batch.
BATCH = 1_000
# Clocks differ, and a token is good for a minute after its session.
GRACE = timedelta(days=1)
# Svix keeps an event for 90 days, and a person can send it again from the dashboard: so long the ledger knows it. Later
# it would do no harm either: an old profile, session or subscription is stale, and a tombstone stays.
LEDGER_KEPT = timedelta(days=90)
# Far longer than a sign-up counts as new (announcements.py: RECENT): so long it is remembered that it was announced.
OUTBOX_KEPT = timedelta(days=30)
# So long an event that was ignored for want of what its type does can be applied.
PAYLOADS_KEPT = timedelta(days=30)
OLD_PAYLOADS = "webhook_events t WHERE status = 'ignored' AND payload IS NOT NULL AND received_at <= now() - :kept"
TOMBSTONES = "users u WHERE u.deleted_at <= now() - :kept AND NOT u.is_active"


@dataclass(frozen=True)
class Purgeable:
    """Rows to delete. `name`: what the command calls them."""

    name: str
    count: TextClause
    delete: TextClause
    kept: timedelta = timedelta()


def by_age(table: str, since: str, kept: timedelta, *, only: str = "true") -> Purgeable:
    """The rows of a table whose `since`, which has an index, is `kept` ago or longer."""
    old = f"FROM {table} t WHERE {since} <= now() - :kept AND {only}"
    count, delete = text(f"SELECT count(*) {old}"), delete_unlocked(table, f"{old} ORDER BY {since}")
    return Purgeable(table, count, delete, kept)


def of_deleted_users(owned: Owned, retention: timedelta) -> Purgeable:
    """Belongings after the retention, and what was too much for the event that deleted the user.

    Tombstones are in ix_users_switched_off, and the rows of each are looked for one user at a time: a join of both
    tables could read all rows.
    """
    own = f"FROM {owned.table} WHERE user_id = u.user_id"
    return Purgeable(
        f"{owned.table} of deleted users",
        text(f"SELECT coalesce(sum((SELECT count(*) {own})), 0) FROM {TOMBSTONES}"),  # noqa: S608 - ours, all of it
        delete_unlocked(
            owned.table,
            f"""
            FROM (SELECT u.user_id FROM {TOMBSTONES}) AS u
            CROSS JOIN LATERAL (SELECT ctid {own} ORDER BY {owned.order} LIMIT :limit) AS t
            ORDER BY u.user_id
            """,  # noqa: S608
        ),
        retention if owned.is_belonging else timedelta(),
    )


def payloads() -> Purgeable:
    """Of events that were ignored: the rows stay."""
    found = f"SELECT t.ctid FROM {OLD_PAYLOADS} ORDER BY received_at LIMIT :limit FOR UPDATE OF t SKIP LOCKED"  # noqa: S608
    return Purgeable(
        "payloads of webhook_events",
        text(f"SELECT count(*) FROM {OLD_PAYLOADS}"),  # noqa: S608 - ours, all of it
        text(f"UPDATE webhook_events SET payload = NULL WHERE ctid = ANY (ARRAY({found}))"),  # noqa: S608
        PAYLOADS_KEPT,
    )


def find_purgeable(audit_kept: timedelta, retention: timedelta) -> list[Purgeable]:
    """All that can be deleted. How long is kept: `audit_kept` the audit trail, `retention` what belonged to a deleted
    user.
    """
    return [
        *(of_deleted_users(owned, retention) for owned in OWNED if owned.at_erasure is AtErasure.DELETE),
        *(by_age(owned.table, owned.ended, owned.kept) for owned in OWNED if owned.ended),
        by_age("revoked_sessions", "expires_at", GRACE),
        # Those that could not be applied wait for people, however long.
        by_age("webhook_events", "received_at", LEDGER_KEPT, only="status IN ('applied', 'stale', 'ignored')"),
        by_age("handled_events", "handled_at", LEDGER_KEPT),
        by_age("sync_runs", "started_at", LEDGER_KEPT),
        payloads(),
        by_age("outbox", "settled_at", OUTBOX_KEPT, only="status = 'sent'"),
        by_age("audit_events", "occurred_at", audit_kept),
    ]


def count_rows(connection: Connection, rows: Purgeable) -> int:
    """How many rows would be deleted now."""
    return int(connection.execute(rows.count, {"kept": rows.kept}).scalar_one())


def delete_batch(connection: Connection, rows: Purgeable) -> int:
    """Delete at most BATCH of these rows, return how many. 0: none is left, or others hold them."""
    return connection.execute(rows.delete, {"kept": rows.kept, "limit": BATCH}).rowcount


def delete_until(transact: Transact, audit_kept: timedelta, retention: timedelta, ends_at: float) -> int:
    """Delete batch after batch until this time of the monotonic clock. Returns how many rows; 0: none is left."""
    deleted = 0
    for rows in find_purgeable(audit_kept, retention):
        while batch := transact(partial(delete_batch, rows=rows)):
            deleted += batch
            if time.monotonic() >= ends_at:
                return deleted
    return deleted
