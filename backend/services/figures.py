"""What only the database knows of how things go, for /metrics."""

import logging
from threading import Lock, Thread
from typing import NamedTuple

import psycopg2

from backend.database.prepared_reads import PreparedRead, ReadPool
from backend.database.transactions import describe_fault

WAIT_SECONDS = 1.0

log = logging.getLogger(__name__)


class Figures(NamedTuple):
    """Times are Unix seconds, None for what never was. Numbers are by status, at most 10,000; runs by command."""

    newest_event: float | None
    events: dict[str, int] | None
    unsent: dict[str, int] | None
    oldest_pending: float | None
    runs: dict[str, float] | None
    drift: int | None


# Each part reads the end of an index, or an index that has nothing but what is out of order; sync_runs is small.
FIGURES = PreparedRead[Figures](
    """
    SELECT extract(epoch FROM (SELECT max(received_at) FROM webhook_events))::float8 AS newest_event,
           (SELECT jsonb_object_agg(status, number) FROM (
                SELECT status, count(*) AS number
                FROM (SELECT status FROM webhook_events WHERE status IN ('dead', 'failed') LIMIT 10000) AS listed
                GROUP BY status) AS counted) AS events,
           (SELECT jsonb_object_agg(status, number) FROM (
                SELECT status, count(*) AS number
                FROM (SELECT status FROM outbox WHERE status <> 'sent' LIMIT 10000) AS listed
                GROUP BY status) AS counted) AS unsent,
           extract(epoch FROM (
                SELECT created_at FROM outbox WHERE status <> 'sent' AND status = 'pending'
                ORDER BY outbox_id LIMIT 1))::float8 AS oldest_pending,
           (SELECT jsonb_object_agg(command, finished) FROM (
                SELECT command, extract(epoch FROM max(finished_at))::float8 AS finished
                FROM sync_runs WHERE status = 'finished' AND command IN ('backfill', 'reconcile')
                GROUP BY command) AS ended) AS runs,
           (SELECT drift FROM sync_runs WHERE status = 'finished' AND command = 'reconcile'
            ORDER BY finished_at DESC LIMIT 1) AS drift
    """,
    Figures,
)


class FigureReader:
    """Reads them in a thread of its own: whoever asks never waits long, whatever has become of the database."""

    def __init__(self, reads: ReadPool) -> None:
        self._reads = reads
        self._reading = Lock()

    def read(self) -> Figures | None:
        """None where the database does not answer in time."""
        if not self._reading.acquire(blocking=False):
            return None
        found: list[Figures | None] = []
        thread = Thread(target=self._read, args=(found,), name="figures", daemon=True)
        thread.start()
        thread.join(WAIT_SECONDS)
        return found[0] if found else None

    def _read(self, found: list[Figures | None]) -> None:
        try:
            found.append(self._reads.fetch(FIGURES))
        except psycopg2.Error as error:
            log.warning("The figures of the database could not be read: %s.", describe_fault(error))
        finally:
            self._reading.release()
