"""Whoever looks at night disturbs nobody: one user or organization is found by indexes, however many there are."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from tests.support.query_plans import blocks, explain, filled_database, nodes

USERS = 10_000
# Of the events 200 are of today, 20 were never applied.
FILL = f"""
INSERT INTO users (clerk_user_id, email, email_verified)
SELECT 'user_' || n, 'ada' || n || '@example.com', true FROM generate_series(1, {USERS}) n;
INSERT INTO subscriptions (user_id) SELECT user_id FROM users;
INSERT INTO usage_metrics (user_id) SELECT user_id FROM users;
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes)
SELECT user_id, 'n', 'p', 'f', user_id, '{{profile:read}}' FROM users;
INSERT INTO clerk.users (id, updated_at, source, data)
SELECT clerk_user_id, now(), 'backfill', jsonb_build_object('primary_phone_number_id', 'idn', 'phone_numbers',
       jsonb_build_array(jsonb_build_object('id', 'idn', 'phone_number', '+' || user_id))) FROM users;
INSERT INTO clerk.organizations (id, updated_at, source, data)
SELECT 'org_' || n, now(), 'backfill', jsonb_build_object('slug', 'slug-' || n) FROM generate_series(1, {USERS}, 10) n;
INSERT INTO clerk.organization_memberships (id, updated_at, source, data)
SELECT 'orgmem_' || user_id, now(), 'backfill', jsonb_build_object('role', 'org:member',
       'organization', jsonb_build_object('id', 'org_' || 1 + (user_id - 1) / 10 * 10),
       'public_user_data', jsonb_build_object('user_id', clerk_user_id)) FROM users;
INSERT INTO webhook_events (event_id, source, type, status, received_at)
SELECT n, 'svix', 'user.updated', CASE WHEN n <= 20 THEN 'dead' ELSE 'applied' END,
       now() - ({USERS} - n) * interval '7 minutes' FROM generate_series(1, {USERS}) n
"""
LOOKS = {
    "user_id": "SELECT * FROM admin_users WHERE user_id = 7777",
    "Clerk id": "SELECT * FROM admin_users WHERE clerk_user_id = 'user_7777'",
    "address": "SELECT * FROM admin_users WHERE lower(email) = lower('Ada7777@example.com')",
    "phone number": "SELECT * FROM admin_users WHERE phone = '+7777'",
    "organization": "SELECT * FROM admin_organizations WHERE organization_id = 'org_7771'",
    "slug": "SELECT * FROM admin_organizations WHERE slug = 'slug-7771'",
    "usage": "SELECT * FROM admin_usage WHERE user_id = 7777",
    "members": """
        SELECT m.role, u.email, u.refused_with FROM clerk.organization_memberships m
        LEFT JOIN admin_users u ON u.clerk_user_id = m.user_id WHERE m.organization_id = 'org_7771'
    """,
    "health": "SELECT * FROM admin_webhook_health",
}


@pytest.fixture(scope="module")
def many(postgres_url: str) -> Iterator[Connection]:
    with filled_database(postgres_url, "counterfoil_admin_views", FILL) as connection:
        yield connection


@pytest.mark.parametrize("name", LOOKS)
def test_indexes_alone(many: Connection, name: str) -> None:
    plan = explain(many, text(LOOKS[name]))
    assert plan["Actual Rows"] == (10 if name == "members" else 1)
    # A table without a row or two is read as it is.
    read_whole = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan" and blocks(node) > 0}
    assert read_whole == set(), json.dumps(plan, indent=1)
    assert blocks(plan) < 150, json.dumps(plan, indent=1)


def test_what_is_not_asked_for_costs_nothing(many: Connection) -> None:
    """Whoever counts users by plan reads no API key and no membership."""
    plan = explain(many, text("SELECT plan, count(*) FROM admin_users GROUP BY plan"))
    assert {node["Relation Name"] for node in nodes(plan) if "Relation Name" in node} == {"users", "subscriptions"}
