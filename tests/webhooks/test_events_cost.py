"""What GET /api/me/events costs the database: the same few blocks for a user with 100,000 events."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from backend.services.clerk.webhooks.ledger import NEWEST_SHOWN, select_newest
from tests.support.query_plans import blocks, explain, filled_database, nodes

MANY = 100_000
# Between the events of the user with many come those of others, a hundred each.
FILL = f"""
INSERT INTO webhook_events (event_id, source, type, subject_id, status, received_at)
SELECT 'msg_' || n, 'svix', 'user.updated', CASE WHEN n % ({{events}} / {MANY}) = 0 THEN 'user_many' ELSE 'user_' || n /
100 END,
       'applied', now() - n * interval '1 second'
FROM generate_series(1, {{events}}) n
"""


@pytest.fixture(scope="module", params=[200_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def filled(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[Connection]:
    with filled_database(postgres_url, "counterfoil_events", FILL.format(events=request.param)) as connection:
        yield connection


@pytest.mark.parametrize(("user", "shown"), [("user_many", NEWEST_SHOWN), ("user_7", NEWEST_SHOWN), ("user_none", 0)])
def test_newest(filled: Connection, user: str, shown: int) -> None:
    plan = explain(filled, select_newest(user))
    text = json.dumps(plan, indent=1)
    assert plan["Actual Rows"] == shown, text
    assert {"Index Scan Backward", "Index Scan"} & {node["Node Type"] for node in nodes(plan)}, text
    assert blocks(plan) <= NEWEST_SHOWN + 10, text  # a row each, and the way to the first
