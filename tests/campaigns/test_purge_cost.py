"""What deleting campaigns costs the database: it reads its own rows by an index, however many stay."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from backend.resources import CAMPAIGNS
from backend.services.clerk.linking import delete_placeholder
from backend.services.clerk.mirror.erase import ERASED_AT_ONCE, delete_rows
from backend.services.plans.quotas import delete_surplus
from backend.services.purge import Purgeable
from tests.support.purge_cost import ADD_USERS, ROWS, TOMBSTONES, check_batch, check_surplus, scans
from tests.support.purging import PURGEABLE
from tests.support.query_plans import explain, filled_database, nodes

# A tenth is to go. Most users have no campaign, the youngest tombstone has two thousand, and the other users have so
# many that a planner could think of reading the whole table.
FILL = f"""
{ADD_USERS}
INSERT INTO campaigns (user_id, name, channel, deleted_at)
SELECT CASE WHEN n % 100 = 1 THEN {TOMBSTONES} ELSE 3000 + n % 4 END, 'n', 'email',
       CASE WHEN n % 10 = 0 THEN now() - interval '31 d' - n * interval '1 ms' END
FROM generate_series(1, {ROWS}) n;
INSERT INTO campaign_templates (user_id, name, channel)
SELECT CASE WHEN n % 50 = 1 THEN {TOMBSTONES} ELSE 3000 + n % 1000 END, 'n', 'email'
FROM generate_series(1, {ROWS // 4}) n
"""
FILLED = [rows for rows in PURGEABLE if rows.name.startswith("campaign")]


@pytest.fixture(scope="module")
def filled(postgres_url: str) -> Iterator[Connection]:
    with filled_database(postgres_url, "counterfoil_campaigns_purge", FILL) as connection:
        yield connection


@pytest.mark.parametrize("rows", FILLED, ids=[rows.name for rows in FILLED])
def test_batch(filled: Connection, rows: Purgeable) -> None:
    check_batch(filled, rows)


def test_of_one_user(filled: Connection) -> None:
    """Of somebody with 50,000, whom no sequential scan serves better: as many as go at once."""
    plan = explain(filled, delete_rows(CAMPAIGNS), {"user_id": 3_000, "limit": ERASED_AT_ONCE})
    found, deleted = scans(plan)
    assert found["Actual Rows"] == deleted["Actual Rows"] == ERASED_AT_ONCE


def test_surplus(filled: Connection) -> None:
    check_surplus(filled, delete_surplus(CAMPAIGNS), 3_000, 1_000)


def test_placeholder(filled: Connection) -> None:
    plan = explain(filled, delete_placeholder(), {"clerk_user_id": "user_4000"})
    assert "campaigns" in {node.get("Relation Name") for node in nodes(plan)}
    whole = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
    assert not whole & {"users", "campaigns", "campaign_templates"}, json.dumps(plan, indent=1)


def test_cascade(filled: Connection) -> None:
    """What PostgreSQL does for the foreign key when the row of a user is deleted."""
    cascade = text("DELETE FROM ONLY campaigns WHERE :user_id OPERATOR(pg_catalog.=) user_id")
    assert len(scans(explain(filled, cascade, {"user_id": 4_000}))) == 1
