"""What reading the ledger costs the database: the same few blocks for a user with 100,000 events; and a look for those
that are to be applied again reads none of the others.
"""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from backend.database.statements import Statement
from backend.services.clerk.webhooks.ledger import FAILED, NEWEST_SHOWN, UNRESOLVED, select_newest
from backend.services.clerk.webhooks.replay import DOUBLINGS, FIRST_PAUSE, TAKE_DUE
from backend.services.purge import payloads
from tests.support.query_plans import blocks, explain, filled_database, nodes

MANY = 100_000
KEPT = 5_000
# Between the events of the user with many come those of others, a hundred each.
FILL = f"""
INSERT INTO webhook_events (event_id, source, type, subject_id, status, received_at)
SELECT 'msg_' || n, 'svix', 'user.updated', CASE WHEN n % ({{events}} / {MANY}) = 0 THEN 'user_many' ELSE 'user_' || n /
100 END,
       'applied', now() - n * interval '1 second'
FROM generate_series(1, {{events}}) n;
INSERT INTO webhook_events (event_id, source, type, status, payload, received_at, processed_at)
SELECT 'msg_kept_' || n, 'svix', 'x', CASE n % 100 WHEN 0 THEN 'failed' WHEN 1 THEN 'ignored' ELSE 'dead' END, 'x',
       now() - interval '31 days', now() - interval '31 days'
FROM generate_series(1, {KEPT}) n
"""


@pytest.fixture(scope="module", params=[200_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def filled(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[Connection]:
    with filled_database(postgres_url, "counterfoil_events", FILL.format(events=request.param)) as connection:
        yield connection


@pytest.mark.parametrize(("user", "shown"), [("user_many", NEWEST_SHOWN), ("user_7", NEWEST_SHOWN), ("user_none", 0)])
def test_newest(filled: Connection, user: str, shown: int) -> None:
    plan = explain(filled, select_newest(user))
    told = json.dumps(plan, indent=1)
    assert plan["Actual Rows"] == shown, told
    assert {"Index Scan Backward", "Index Scan"} & {node["Node Type"] for node in nodes(plan)}, told
    assert blocks(plan) <= NEWEST_SHOWN + 10, told  # a row each, and the way to the first


@pytest.mark.parametrize(("statuses", "due"), [([FAILED], KEPT // 100), (list(UNRESOLVED), 200)])
def test_due(filled: Connection, statuses: list[str], due: int) -> None:
    values: dict[str, object] = {
        "statuses": statuses,
        "first_pause": FIRST_PAUSE,
        "doublings": DOUBLINGS,
        "running": "1 h",
        "most": 200,
    }
    explained = Statement(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {TAKE_DUE.sql}")
    plan = explained.run(filled, **values).scalar_one()[0]["Plan"]
    filled.rollback()
    assert plan["Actual Rows"] == due
    assert "ix_webhook_events_kept" in {node.get("Index Name") for node in nodes(plan)}, json.dumps(plan, indent=1)
    assert blocks(plan) < 30 * due + KEPT / 10, json.dumps(plan, indent=1)


def test_old_payloads(filled: Connection) -> None:
    rows = payloads()
    plan = explain(filled, rows.delete, {"kept": rows.kept, "limit": 20})
    *_, found = (node for node in nodes(plan) if node.get("Index Name") == "ix_webhook_events_kept")
    assert found["Actual Rows"] == 20
    assert blocks(plan) < 30 * 20, json.dumps(plan, indent=1)
