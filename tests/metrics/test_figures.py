"""What the database knows: the outbox, the last runs, the newest event."""

import time

from backend.services.figures import FIGURES
from tests.metrics.scrape import TOKEN, scrape
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.server import in_process


def test_what_is_out_of_order(settings: dict[str, str], sql: Sql) -> None:
    sql.rows("""
        INSERT INTO outbox (event_id, destination, type, data, status, created_at)
        SELECT 'evt_' || n, 'url', 'app/user.updated', '{}', CASE WHEN n <= 3 THEN 'pending' WHEN n <= 5 THEN 'dead'
               ELSE 'sent' END, now() - n * interval '1 minute' FROM generate_series(1, 9) AS n
    """)
    sql.rows("""
        INSERT INTO sync_runs (command, kinds, status, drift, finished_at)
        VALUES ('reconcile', '{}', 'finished', 7, now() - interval '1 hour'),
               ('reconcile', '{}', 'finished', 9, now() - interval '2 days'),
               ('reconcile', '{}', 'stopped', NULL, now())
    """)
    sql.rows("""
        INSERT INTO webhook_events (event_id, source, type, status, received_at)
        SELECT 'msg_' || n, 'svix', 'user.updated', CASE WHEN n = 1 THEN 'failed' ELSE 'applied' END,
               now() - n * interval '1 second' FROM generate_series(1, 50) AS n
    """)
    seen = scrape(in_process(make_app({**settings, "METRICS_TOKEN": TOKEN})))

    def value(name: str, **labels: str) -> float:
        return seen[f"counterfoil_{name}", frozenset(labels.items())]

    def age(name: str, **labels: str) -> float:
        return time.time() - value(name, **labels)

    assert (value("outbox_events", status="pending"), value("outbox_events", status="dead")) == (3, 2)
    assert 50 < age("outbox_oldest_pending_timestamp_seconds") < 90, "the first that was written"
    assert value("reconcile_drift") == 7
    assert 3_590 < age("sync_last_finished_timestamp_seconds", command="reconcile") < 3_630
    assert age("webhook_newest_event_timestamp_seconds") < 30
    assert value("webhook_events_unresolved", status="failed") == 1


def test_reads_no_large_table(sql: Sql) -> None:
    """Only ends of indexes, and indexes of what is out of order. sync_runs has some rows a day."""
    sql.rows("""
        INSERT INTO webhook_events (event_id, source, type, status)
        SELECT 'msg_' || n, 'svix', 'user.updated', 'applied' FROM generate_series(1, 5000) AS n
    """)
    sql.rows("""
        INSERT INTO outbox (event_id, destination, type, data, status)
        SELECT 'evt_' || n, 'url', 'app/user.updated', '{}', 'sent' FROM generate_series(1, 5000) AS n
    """)
    sql.rows("ANALYZE webhook_events, outbox")
    plan = "\n".join(str(line) for line in sql.rows(f"EXPLAIN {FIGURES.query}"))
    assert "Seq Scan on sync_runs" in plan
    assert "Seq Scan on webhook_events" not in plan
    assert "Seq Scan on outbox" not in plan
