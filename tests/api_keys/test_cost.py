"""What counting a user's usable keys costs the database: the same, however many have ended."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Executable

from backend.resources import API_KEYS
from backend.services.plans.quotas import count_rows
from backend.services.plans.subscriptions import select_use
from backend.services.users.admin import FIND_USER
from tests.support.query_plans import blocks, explain, filled_database, nodes

# User 1 has made a key after the other and ended each, by revoking it or by time; five are usable.
ENDED = 60_000
FILL = f"""
INSERT INTO users (clerk_user_id) SELECT 'user_' || n FROM generate_series(1, 1000) n;
INSERT INTO subscriptions (user_id) SELECT user_id FROM users;
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes, revoked_at, expires_at)
SELECT 1, 'n', 'sk_app', 'abcd', n, '{{x}}', CASE WHEN n % 2 = 0 THEN now() END, CASE WHEN n % 2 = 1 THEN now() END
FROM generate_series(1, {ENDED}) n;
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes, expires_at)
SELECT 1 + n % 1000, 'n', 'sk_app', 'abcd', 'u' || n, '{{x}}', CASE WHEN n % 2 = 0 THEN now() + interval '1 d' END
FROM generate_series(0, 4999) n
"""


@pytest.fixture(scope="module")
def filled(postgres_url: str) -> Iterator[Connection]:
    with filled_database(postgres_url, "counterfoil_api_keys", FILL) as connection:
        yield connection


@pytest.mark.parametrize(
    "statement",
    [count_rows(API_KEYS).bindparams(user_id=1), select_use().bindparams(user_id=1), FIND_USER.bindparams(user_id=1)],
    ids=["check", "use", "user"],
)
def test_usable_ones_alone_are_read(filled: Connection, statement: Executable) -> None:
    plan = explain(filled, statement)
    (keys,) = [node for node in nodes(plan) if node.get("Relation Name") == "api_keys"]
    assert "ix_api_keys_usable" in {node.get("Index Name") for node in nodes(keys)}, json.dumps(plan, indent=1)
    assert (keys["Actual Rows"], keys.get("Rows Removed by Filter", 0)) == (5, 0)
    assert blocks(plan) < 30
