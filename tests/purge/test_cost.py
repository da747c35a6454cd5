"""What deleting costs the database, by `flask purge` and with a user: it reads its own rows by an index, however many
stay.
"""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from backend.resources import IDEMPOTENCY_KEYS
from backend.services import idempotency
from backend.services.clerk.linking import delete_placeholder
from backend.services.clerk.mirror.erase import ERASED_AT_ONCE, delete_rows
from backend.services.purge import Purgeable
from tests.support.purge_cost import ADD_USERS, ROWS, check_batch, check_surplus, scans
from tests.support.purging import LIMITS, PURGEABLE
from tests.support.query_plans import explain, filled_database, nodes

# A tenth of each table is to go; of the ledger's old rows every hundredth waits for people.
FILL = f"""
{ADD_USERS}
INSERT INTO idempotency_keys (user_id, method, path, key, body_hash, status, body, expires_at)
SELECT 1 + n % 1000, 'POST', '/x', n, 'x', 201, '', now() + interval '1 s' * (n - {ROWS // 10})
FROM generate_series(1, {ROWS}) n;
INSERT INTO revoked_sessions (session_id, expires_at)
SELECT 'sess_' || n, now() - interval '1 d' + interval '1 s' * (n - {ROWS // 10}) FROM generate_series(1, {ROWS}) n;
INSERT INTO webhook_events (event_id, source, status, received_at)
SELECT 'msg_' || n, 'svix', CASE WHEN n % 100 = 0 THEN 'dead' ELSE 'applied' END,
       now() - interval '90 d' + interval '1 s' * (n - {ROWS // 10})
FROM generate_series(1, {ROWS}) n;
INSERT INTO outbox (event_id, destination, type, data, status, settled_at)
SELECT 'evt_' || n, 'url', 'x', '{{}}', CASE WHEN n % 100 = 0 THEN 'dead' ELSE 'sent' END,
       now() - interval '30 d' + interval '1 s' * (n - {ROWS // 40})
FROM generate_series(1, {ROWS // 4}) n;
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes, revoked_at)
SELECT 1 + n % 1000, 'n', 'sk_app', 'abcd', n, '{{x}}', now() - interval '90 d' + interval '1 s' * (n - {ROWS // 40})
FROM generate_series(1, {ROWS // 4}) n;
INSERT INTO handled_events (digest, source, handled_at)
SELECT 'd' || n, 'webhook', now() - interval '90 d' + interval '1 s' * (n - {ROWS // 40})
FROM generate_series(1, {ROWS // 4}) n;
INSERT INTO sync_runs (command, kinds, started_at)
SELECT 'backfill', '{{users}}', now() - interval '90 d' + interval '1 s' * (n - {ROWS // 40})
FROM generate_series(1, {ROWS // 4}) n;
INSERT INTO audit_events (action, source, occurred_at)
SELECT 'x', 'cli', now() - interval '365 d' + interval '1 s' * (n - {ROWS // 40}) FROM generate_series(1, {ROWS // 4}) n
"""

FILLED = [rows for rows in PURGEABLE if rows.name.removesuffix(" of deleted users") in LIMITS]


@pytest.fixture(scope="module")
def filled(postgres_url: str) -> Iterator[Connection]:
    with filled_database(postgres_url, "counterfoil_purge", FILL) as connection:
        yield connection


@pytest.mark.parametrize("rows", FILLED, ids=[rows.name for rows in FILLED])
def test_batch(filled: Connection, rows: Purgeable) -> None:
    check_batch(filled, rows)


class TestUser:
    """A user is erased, or makes room for another one."""

    def test_responses(self, filled: Connection) -> None:
        found, deleted = scans(explain(filled, delete_rows(IDEMPOTENCY_KEYS), {"user_id": 7, "limit": ERASED_AT_ONCE}))
        assert found["Actual Rows"] == deleted["Actual Rows"] == ROWS / 1_000

    def test_surplus(self, filled: Connection) -> None:
        check_surplus(filled, idempotency.DELETE_SURPLUS, 7, 150)

    def test_placeholder(self, filled: Connection) -> None:
        """A user without any rows; the tables that are not filled here are read whole, for they are empty."""
        plan = explain(filled, delete_placeholder(), {"clerk_user_id": "user_4000"})
        assert plan["Actual Rows"] == 1
        whole = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
        assert not whole & {"users", "api_keys"}, json.dumps(plan, indent=1)


def test_foreign_keys_have_an_index(filled: Connection) -> None:
    """Of all rows, that begins with the key's columns: without it a delete reads the whole table that refers."""
    without = text("""
    SELECT conrelid::regclass || ' ' || conname FROM pg_constraint
    WHERE contype = 'f' AND NOT EXISTS (
        SELECT FROM pg_index
        WHERE indrelid = conrelid AND indpred IS NULL AND (indkey::smallint[])[0:cardinality(conkey) - 1] = conkey
    )
    """)
    assert filled.execute(without).scalars().all() == []
