"""What deleting costs the database: it reads its own rows by an index, however many stay."""

import json

import pytest
from sqlalchemy import Connection, TextClause

from backend.services.purge import BATCH, Purgeable
from tests.support.query_plans import Plan, blocks, explain, nodes

ROWS = 200_000
TOMBSTONES = 200
ADD_USERS = f"""
INSERT INTO users (clerk_user_id, deleted_at, is_active)
SELECT 'user_' || n, CASE WHEN n <= {TOMBSTONES} THEN now() - interval '8 d' END, n > {TOMBSTONES}
FROM generate_series(1, 5000) n;
"""
INDEXED = {"Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan"}


def scans(plan: Plan) -> list[Plan]:
    """How tables are read; all of it by indexes."""
    found = [node for node in nodes(plan) if "Relation Name" in node and "Scan" in node["Node Type"]]
    assert {node["Node Type"] for node in found} <= INDEXED, json.dumps(plan, indent=1)
    return found


def check_batch(filled: Connection, rows: Purgeable) -> None:
    """Of rows of which a tenth is to go, deleted and counted."""
    values = {"kept": rows.kept, "limit": BATCH}
    plan = explain(filled, rows.delete, values)
    *_, found, deleted = scans(plan)
    assert found["Actual Rows"] * found["Actual Loops"] == pytest.approx(BATCH, rel=0.01)
    assert deleted["Actual Rows"] == BATCH
    assert found.get("Rows Removed by Filter", 0) <= BATCH / 50
    # To find, lock and delete a row that lies alone in its block; and to see that a tombstone has nothing left.
    in_vain = 4 * TOMBSTONES if "of deleted users" in rows.name else 0
    assert blocks(plan) < 8 * BATCH + in_vain, json.dumps(plan, indent=1)
    scans(explain(filled, rows.count, values))


def check_surplus(filled: Connection, statement: TextClause, user_id: int, kept: int) -> None:
    """What a plan does not keep: a walk through what it keeps, in the index alone, and a few rows."""
    plan = explain(filled, statement, {"user_id": user_id, "kept": kept, "limit": 5})
    kept_rows, found, deleted = scans(plan)
    assert (kept_rows["Node Type"], kept_rows["Actual Rows"]) == ("Index Only Scan", kept)
    assert found["Actual Rows"] == deleted["Actual Rows"] == 5
    # PostgreSQL looks at the row of an entry where a page has changed since the last VACUUM.
    assert blocks(plan) < kept + 60, json.dumps(plan, indent=1)
