"""What an authenticated request costs the database: one statement, found by indexes alone."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from backend.database.prepared_reads import PreparedRead
from backend.services.users.accounts import FIND_BY_CLERK_ID, FIND_BY_KEY, FIND_BY_LEGACY_EMAIL, FIND_BY_LEGACY_ID
from tests.support.clerk import Instance
from tests.support.database import Sql, migrated_database
from tests.support.fixtures import StartApp
from tests.support.query_plans import nodes

USERS = 20_000
FILL = f"""
INSERT INTO users (clerk_user_id, email, email_verified)
SELECT 'user_' || n, n || '@example.com', true FROM generate_series(1, {USERS}) n;
INSERT INTO subscriptions (user_id) SELECT user_id FROM users;
INSERT INTO usage_metrics (user_id) SELECT user_id FROM users;
INSERT INTO usage_metrics (user_id, period_start, period_end)
SELECT user_id, now() - interval '70 days', now() - interval '40 days' FROM users;
INSERT INTO users (email, email_verified, provisioned_by) VALUES ('Old@example.com', true, 'legacy');
UPDATE users SET provisioned_by = 'legacy' WHERE user_id = 777;
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes)
SELECT user_id, 'key', 'sk_app', '0000', md5(user_id::text), ARRAY['profile:read'] FROM users;
INSERT INTO revoked_sessions (session_id, expires_at)
SELECT 'sess_' || n, now() FROM generate_series(1, {USERS}) n;
ANALYZE
"""


@pytest.fixture(scope="module")
def filled_url(postgres_url: str, worker_id: str) -> Iterator[str]:
    with migrated_database(postgres_url, f"counterfoil_filled_{worker_id}") as url:
        filling = Sql(url)
        for statement in FILL.split(";"):
            filling.rows(statement)
        filling.close()
        yield url


@pytest.fixture
def filled(filled_url: str) -> Iterator[Sql]:
    connection = Sql(filled_url)
    yield connection
    connection.close()


JOINED = {"users", "subscriptions", "usage_metrics"}
READS = [
    pytest.param(FIND_BY_CLERK_ID, ("user_777", "sess_888"), {"revoked_sessions"}, id="session"),
    pytest.param(FIND_BY_KEY, (hashlib.md5(b"777").hexdigest(),), {"api_keys"}, id="API key"),
    pytest.param(FIND_BY_LEGACY_ID, ("777", "jti:888"), {"revoked_sessions"}, id="legacy user_id"),
    pytest.param(FIND_BY_LEGACY_EMAIL, ("oLD@Example.com", "jti:888"), {"revoked_sessions"}, id="legacy address"),
]


class TestPlan:
    @pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
    @pytest.mark.parametrize(("read", "values", "besides"), READS)
    def test_indexes_alone(
        self, filled: Sql, read: PreparedRead[Any], values: tuple[str, ...], besides: set[str], mode: str
    ) -> None:
        """With the values in view, and without them: PostgreSQL may change over after five executions."""
        filled.rows(f"SET plan_cache_mode = {mode}")
        filled.rows(f"PREPARE find ({', '.join('text' for _ in values)}) AS {read.query.replace('%', '%%')}")
        explained = filled.value(
            f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE find ({', '.join('%s' for _ in values)})", *values
        )
        plan = explained[0]["Plan"]
        scans = [node for node in nodes(plan) if "Relation Name" in node]
        assert {node["Relation Name"] for node in scans} == JOINED | besides
        assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}
        assert plan["Actual Rows"] == 1


class TestStatements:
    def test_one_a_request(self, start_app: StartApp, clerk: Instance, filled: Sql, filled_url: str) -> None:
        filled.rows("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        counting, token = start_app(DATABASE_URL=filled_url), clerk.token(sub="user_42")
        assert counting.get("/auth/me", token).status_code == 200  # connects
        filled.rows("SELECT pg_stat_statements_reset()")
        for _ in range(10):
            assert counting.get("/auth/me", token).status_code == 200
        statements = filled.rows(
            "SELECT query, calls FROM pg_stat_statements JOIN pg_database ON oid = dbid "
            "WHERE datname = current_database() AND query NOT LIKE '%%pg_stat_statements%%'"
        )
        assert [row["calls"] for row in statements] == [10]
        assert "revoked_sessions" in statements[0]["query"]
