"""What `flask purge` costs the database: a batch reads its own rows by an index, however many stay."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, TextClause, create_engine, make_url, text

from backend.services.purge import ALL_DUE, BATCH, Due
from tests.support.database import Sql, migrated_database

ROWS = 200_000
# A tenth of each table is due; of the ledger's old rows every hundredth waits for people.
FILL = f"""
INSERT INTO users (clerk_user_id) SELECT 'user_' || n FROM generate_series(1, 1000) n;
INSERT INTO campaigns (user_id, name, channel, deleted_at)
SELECT 1 + n % 1000, 'n', 'email', CASE WHEN n % 10 = 0 THEN now() - interval '31 d' END
FROM generate_series(1, {ROWS}) n;
INSERT INTO idempotency_keys (user_id, method, path, key, body_hash, status, body, expires_at)
SELECT 1 + n % 1000, 'POST', '/api/campaigns', n, 'x', 201, '', now() + interval '1 s' * (n - {ROWS // 10})
FROM generate_series(1, {ROWS}) n;
INSERT INTO revoked_sessions (session_id, expires_at)
SELECT 'sess_' || n, now() - interval '1 d' + interval '1 s' * (n - {ROWS // 10}) FROM generate_series(1, {ROWS}) n;
INSERT INTO webhook_events (event_id, source, status, received_at)
SELECT 'msg_' || n, 'svix', CASE WHEN n % 100 = 0 THEN 'dead' ELSE 'applied' END,
       now() - interval '90 d' + interval '1 s' * (n - {ROWS // 10})
FROM generate_series(1, {ROWS}) n;
VACUUM ANALYZE
"""
# campaigns has no index of what was deleted: each batch reads the whole table.
NO_INDEX = pytest.mark.xfail(reason="no index on campaigns.deleted_at", strict=True)
EACH_TABLE = pytest.mark.parametrize(
    "due",
    [pytest.param(due, marks=NO_INDEX if due.table == "campaigns" else (), id=due.table) for due in ALL_DUE],
)
INDEXED = {"Index Scan", "Index Only Scan", "Tid Scan"}


@pytest.fixture(scope="module")
def filled(postgres_url: str) -> Iterator[Connection]:
    with migrated_database(postgres_url, "counterfoil_purge") as url:
        filling = Sql(url)
        for statement in FILL.split(";"):
            filling.rows(statement)
        filling.close()
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
        with engine.connect() as connection:
            yield connection
        engine.dispose()


def explain(connection: Connection, statement: TextClause, due: Due) -> dict[str, Any]:
    explained = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}")
    (answer,) = connection.execute(explained, {"kept": due.kept, "limit": BATCH}).scalar_one()
    connection.rollback()
    plan: dict[str, Any] = answer["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@EACH_TABLE
class TestBatch:
    def test_delete(self, filled: Connection, due: Due) -> None:
        plan = explain(filled, due.delete, due)
        scans = [node for node in nodes(plan) if "Scan" in node["Node Type"]]
        assert {node["Node Type"] for node in scans} <= INDEXED, json.dumps(plan, indent=1)
        assert [node["Actual Rows"] for node in scans] == [BATCH, BATCH]
        assert all(node.get("Rows Removed by Filter", 0) <= BATCH / 50 for node in scans)
        # To find, lock and delete a row, and for its place in the index.
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 6 * BATCH

    def test_count(self, filled: Connection, due: Due) -> None:
        plan = explain(filled, due.count, due)
        scans = [node for node in nodes(plan) if "Scan" in node["Node Type"]]
        assert {node["Node Type"] for node in scans} <= INDEXED, json.dumps(plan, indent=1)
