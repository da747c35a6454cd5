"""What an authenticated request costs the database: one statement, found by indexes alone."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue

from backend.access.policy import Policy, get_auth, require_auth
from backend.database.engine import SET_UP_SESSION
from backend.database.prepared_reads import PreparedRead
from backend.services.clerk.billing import FIND_TOLD
from backend.services.clerk.memberships import FIND_MEMBERSHIP
from backend.services.users.accounts import FIND_BY_CLERK_ID, FIND_BY_KEY, FIND_BY_LEGACY_EMAIL, FIND_BY_LEGACY_ID
from tests.support.clerk import Instance
from tests.support.database import Sql, migrated_database
from tests.support.own_routes import make_own_app, serve
from tests.support.query_plans import nodes

USERS, MEMBERS = 20_000, 5_000
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
INSERT INTO clerk.organization_memberships (id, data, updated_at, source)
SELECT 'orgmem_' || n, jsonb_build_object(
    'role', 'org:admin', 'organization', jsonb_build_object('id', 'org_' || n % 20),
    'public_user_data', jsonb_build_object('user_id', 'user_' || n % {MEMBERS // 3})
), now(), 'webhook' FROM generate_series(1, {MEMBERS}) n;
INSERT INTO clerk.subscriptions (id, data, updated_at, source)
SELECT 'csub_' || n, jsonb_build_object(
    'items', '[]'::jsonb, 'payer', jsonb_build_object('user_id', 'user_' || n, 'organization_id', 'org_' || n)
), now(), 'webhook' FROM generate_series(1, {MEMBERS}) n;
INSERT INTO clerk.subscription_items (id, data, updated_at, source)
SELECT replace(id, 'csub_', 'csub_item_'), data - 'items' || jsonb_build_object('subscription_id', id),
    updated_at, source FROM clerk.subscriptions;
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
WITH_ENDED, WITH_KEYS = JOINED | {"revoked_sessions"}, JOINED | {"api_keys"}
READS = [
    pytest.param(FIND_BY_CLERK_ID, ("user_777", "sess_888"), WITH_ENDED, id="session"),
    pytest.param(FIND_BY_KEY, (hashlib.md5(b"777").hexdigest(),), WITH_KEYS, id="API key"),
    pytest.param(FIND_BY_LEGACY_ID, ("777", "jti:888"), WITH_ENDED, id="legacy user_id"),
    pytest.param(FIND_BY_LEGACY_EMAIL, ("oLD@Example.com", "jti:888"), WITH_ENDED, id="legacy address"),
    pytest.param(FIND_MEMBERSHIP, ("user_777", "org_17"), {"organization_memberships"}, id="membership"),
    pytest.param(FIND_TOLD, ("org_17",), {"subscriptions", "subscription_items"}, id="plan of an organization"),
]


class TestPlan:
    @pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
    @pytest.mark.parametrize(("read", "values", "tables"), READS)
    def test_indexes_alone(
        self, filled: Sql, read: PreparedRead[Any], values: tuple[str, ...], tables: set[str], mode: str
    ) -> None:
        """With the values in view, and without them: PostgreSQL may change over after five executions."""
        filled.rows(f"{SET_UP_SESSION}; SET plan_cache_mode = {mode}")
        filled.rows(f"PREPARE find ({', '.join('text' for _ in values)}) AS {read.query.replace('%', '%%')}")
        explained = filled.value(
            f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE find ({', '.join('%s' for _ in values)})", *values
        )
        plan = explained[0]["Plan"]
        scans = [node for node in nodes(plan) if "Relation Name" in node]
        assert {node["Relation Name"] for node in scans} == tables
        assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
        assert plan["Actual Rows"] == 1


def statements(sql: Sql, client: FlaskClient, path: str, token: str) -> list[dict[str, Any]]:
    """What ten requests run."""
    sql.rows("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get(path, headers=headers).status_code == 200  # connects
    sql.rows("SELECT pg_stat_statements_reset()")
    for _ in range(10):
        assert client.get(path, headers=headers).status_code == 200
    return sql.rows(
        "SELECT query, calls FROM pg_stat_statements JOIN pg_database ON oid = dbid "
        "WHERE datname = current_database() AND query NOT LIKE '%%pg_stat_statements%%'"
    )


class TestStatements:
    @pytest.fixture
    def app(self, settings: dict[str, str], filled_url: str) -> Flask:
        return make_own_app(settings | {"DATABASE_URL": filled_url})

    @pytest.fixture
    def token(self, clerk: Instance) -> str:
        return clerk.token(sub="user_42", v=1, org_id="org_2", org_role="org:admin", org_permissions=[])

    def test_one_a_request(self, app: Flask, filled: Sql, token: str) -> None:
        (one,) = statements(filled, app.test_client(), "/auth/me", token)
        assert one["calls"] == 10
        assert "revoked_sessions" in one["query"]

    def test_one_more_for_each_thing_that_is_asked_for(self, app: Flask, filled: Sql, token: str) -> None:
        """However often it is asked for: by the table, by the view's own policy, and in the view."""

        def view() -> ResponseReturnValue:
            auth = get_auth()
            return [auth.membership and auth.membership.role, auth.org_plan, auth.org_plan]

        guard = require_auth(org_role="org:admin", stored=True)
        client = serve(app, Policy(stored=True), lambda _: guard(view))
        found = statements(filled, client, "/here", token)
        assert sorted((re.findall(r"FROM clerk\.(\w+)", one["query"]), one["calls"]) for one in found) == [
            ([], 10),
            (["organization_memberships"], 10),
            (["subscriptions", "subscription_items"], 10),
        ]
