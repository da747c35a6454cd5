"""What deleting costs the database, by `flask purge` and with a user: it reads its own rows by an index, however many
stay.
"""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, TextClause, text

from backend.resources import CAMPAIGNS, IDEMPOTENCY_KEYS
from backend.services import idempotency
from backend.services.campaigns import campaigns
from backend.services.clerk.linking import delete_placeholder
from backend.services.clerk.mirror.erase import ERASED_AT_ONCE, delete_rows
from backend.services.purge import BATCH, Purgeable
from tests.support.purging import PURGEABLE
from tests.support.query_plans import Plan, blocks, explain, filled_database, nodes

ROWS = 200_000
TOMBSTONES = 200
# A tenth of each table is to go; of the ledger's old rows every hundredth waits for people. Most users have no
# campaign, the youngest tombstone has two thousand, and the other users have so many that a planner could think of
# reading the whole table.
FILL = f"""
INSERT INTO users (clerk_user_id, deleted_at, is_active)
SELECT 'user_' || n, CASE WHEN n <= {TOMBSTONES} THEN now() END, n > {TOMBSTONES} FROM generate_series(1, 5000) n;
INSERT INTO campaigns (user_id, name, channel, deleted_at)
SELECT CASE WHEN n % 100 = 1 THEN {TOMBSTONES} ELSE 3000 + n % 4 END, 'n', 'email',
       CASE WHEN n % 10 = 0 THEN now() - interval '31 d' - n * interval '1 ms' END
FROM generate_series(1, {ROWS}) n;
INSERT INTO campaign_templates (user_id, name, channel)
SELECT CASE WHEN n % 50 = 1 THEN {TOMBSTONES} ELSE 3000 + n % 1000 END, 'n', 'email'
FROM generate_series(1, {ROWS // 4}) n;
INSERT INTO idempotency_keys (user_id, method, path, key,
body_hash, status, body, expires_at) SELECT 1 + n % 1000, 'POST', '/api/campaigns', n, 'x', 201, '', now() + interval '1
s' * (n - {ROWS // 10}) FROM generate_series(1, {ROWS}) n; INSERT INTO revoked_sessions (session_id, expires_at) SELECT
'sess_' || n, now() - interval '1 d' + interval '1 s' * (n - {ROWS // 10}) FROM generate_series(1, {ROWS}) n; INSERT
INTO webhook_events (event_id, source, status, received_at) SELECT 'msg_' || n, 'svix', CASE WHEN n % 100 = 0 THEN
'dead' ELSE 'applied' END,
       now() - interval '90 d' + interval '1 s' * (n - {ROWS // 10})
FROM generate_series(1, {ROWS}) n;
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes, revoked_at)
SELECT 1 + n % 1000, 'n', 'sk_app', 'abcd', n, '{{x}}', now() - interval '90 d' + interval '1 s' * (n - {ROWS // 40})
FROM generate_series(1, {ROWS // 4}) n;
INSERT INTO audit_events (action, source, occurred_at)
SELECT 'x', 'cli', now() - interval '365 d' + interval '1 s' * (n - {ROWS // 40}) FROM generate_series(1, {ROWS // 4}) n
"""
EACH = pytest.mark.parametrize("rows", PURGEABLE, ids=[rows.name for rows in PURGEABLE])
INDEXED = {"Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan"}


@pytest.fixture(scope="module")
def filled(postgres_url: str) -> Iterator[Connection]:
    with filled_database(postgres_url, "counterfoil_purge", FILL) as connection:
        yield connection


def scans(plan: Plan) -> list[Plan]:
    """How tables are read; all of it by indexes."""
    found = [node for node in nodes(plan) if "Relation Name" in node and "Scan" in node["Node Type"]]
    assert {node["Node Type"] for node in found} <= INDEXED, json.dumps(plan, indent=1)
    return found


def plan_of(connection: Connection, rows: Purgeable, *, counts: bool = False) -> Plan:
    return explain(connection, rows.count if counts else rows.delete, {"kept": rows.kept, "limit": BATCH})


@EACH
class TestBatch:
    def test_delete(self, filled: Connection, rows: Purgeable) -> None:
        plan = plan_of(filled, rows)
        *_, found, deleted = scans(plan)
        assert found["Actual Rows"] * found["Actual Loops"] == pytest.approx(BATCH, rel=0.01)
        assert deleted["Actual Rows"] == BATCH
        assert found.get("Rows Removed by Filter", 0) <= BATCH / 50
        # To find, lock and delete a row that lies alone in its block; and to see that a tombstone has nothing left.
        in_vain = 4 * TOMBSTONES if "of deleted users" in rows.name else 0
        assert blocks(plan) < 8 * BATCH + in_vain, json.dumps(plan, indent=1)

    def test_count(self, filled: Connection, rows: Purgeable) -> None:
        scans(plan_of(filled, rows, counts=True))


class TestUser:
    """A user is erased, or makes room for another one."""

    def test_campaigns(self, filled: Connection) -> None:
        """Of somebody with 50,000, whom no sequential scan serves better: as many as go at once."""
        plan = explain(filled, delete_rows(CAMPAIGNS), {"user_id": 3_000, "limit": ERASED_AT_ONCE})
        found, deleted = scans(plan)
        assert found["Actual Rows"] == deleted["Actual Rows"] == ERASED_AT_ONCE

    def test_responses(self, filled: Connection) -> None:
        found, deleted = scans(explain(filled, delete_rows(IDEMPOTENCY_KEYS), {"user_id": 7, "limit": ERASED_AT_ONCE}))
        assert found["Actual Rows"] == deleted["Actual Rows"] == ROWS / 1_000

    @pytest.mark.parametrize(
        ("statement", "user_id", "kept"),
        [(campaigns.DELETE_SURPLUS, 3_000, 1_000), (idempotency.DELETE_SURPLUS, 7, 150)],
    )
    def test_surplus(self, filled: Connection, statement: TextClause, user_id: int, kept: int) -> None:
        """What a plan does not keep: a walk through what it keeps, in the index alone, and a few rows."""
        plan = explain(filled, statement, {"user_id": user_id, "kept": kept, "limit": 5})
        kept_rows, found, deleted = scans(plan)
        assert (kept_rows["Node Type"], kept_rows["Actual Rows"]) == ("Index Only Scan", kept)
        assert found["Actual Rows"] == deleted["Actual Rows"] == 5
        # PostgreSQL looks at the row of an entry where a page has changed since the last VACUUM.
        assert blocks(plan) < kept + 60, json.dumps(plan, indent=1)

    def test_placeholder(self, filled: Connection) -> None:
        plan = explain(filled, delete_placeholder(), {"clerk_user_id": "user_4000"})
        assert plan["Actual Rows"] == 1
        assert "campaigns" in {node.get("Relation Name") for node in nodes(plan)}
        for node in nodes(plan):
            # The others are empty here.
            assert node["Node Type"] != "Seq Scan" or node["Relation Name"] not in {"users", "campaigns"}, json.dumps(
                plan, indent=1
            )

    def test_cascade(self, filled: Connection) -> None:
        """What PostgreSQL does for the foreign key when the row of a user is deleted."""
        cascade = text("DELETE FROM ONLY campaigns WHERE :user_id OPERATOR(pg_catalog.=) user_id")
        assert len(scans(explain(filled, cascade, {"user_id": 4_000}))) == 1


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
