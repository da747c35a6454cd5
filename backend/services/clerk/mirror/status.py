"""What our copy holds, and when it was last brought up to Clerk and compared with it."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from backend.database.prepared_reads import PreparedRead
from backend.services.clerk.mirror.kinds import KINDS


class Table(NamedTuple):
    """A kind of object here. `newest_event`: when the last one came that changed something."""

    kind: str
    live: int
    deleted: int
    newest_event: datetime | None


class LastRuns(NamedTuple):
    """By command, its last run that came to an end: run_id, status, drift, error, finished_at, age (in seconds)."""

    by_command: dict[str, dict[str, Any]] | None


LAST_RUNS = PreparedRead[LastRuns](
    """
    SELECT jsonb_object_agg(command, to_jsonb(r)) AS by_command FROM (
        SELECT DISTINCT ON (command) command, run_id, status, drift, error, finished_at,
               round(extract(epoch FROM now() - finished_at)) AS age
        FROM sync_runs WHERE finished_at IS NOT NULL AND command IN ('backfill', 'reconcile')
        ORDER BY command, finished_at DESC
    ) AS r
    """,
    LastRuns,
)


def read_tables(connection: Connection) -> list[Table]:
    return [Table(name, *connection.execute(_select_table(kind.table)).one()) for name, kind in KINDS.items()]


def _select_table(table: str) -> Any:  # noqa: ANN401 - a text clause
    return text(f"""
    SELECT count(*) FILTER (WHERE deleted_at IS NULL), count(deleted_at),
           max(seen_at) FILTER (WHERE source IN ('webhook', 'inngest'))
    FROM {table}
    """)  # noqa: S608 - all of it is ours
