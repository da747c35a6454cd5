"""What the admins' list costs the database: each page is found by indexes, however many users there are."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from backend.models.roles_plans_scopes import Plan, Role
from backend.services.users.admin import FIND_USER, select_events
from backend.services.users.list import UserFilter, UserStatus, select_users
from tests.support.query_plans import blocks, explain, filled_database, nodes

USERS = 200_000
# 5 admins, 200 developers, 20 banned, 100 deactivated, 400 deleted, 1,000 who pay and 1,000 whose plan has lapsed:
# all of them old, so that a walk from the newest on would see nearly everybody before it found one.
FILL = f"""
INSERT INTO users (clerk_user_id, email, email_verified, username, first_name, last_name, role, banned, is_active,
                   deleted_at)
SELECT 'user_' || n, md5(n::text) || '@example.com', true, 'name' || n, initcap(left(md5('f' || n % 1000), 5)),
       initcap(left(md5('l' || n % 5000), 6)),
       CASE WHEN n <= 5 THEN 'admin' WHEN n <= 205 THEN 'developer' ELSE 'user' END,
       n BETWEEN 1001 AND 1020, n NOT BETWEEN 2001 AND 2500, CASE WHEN n BETWEEN 2101 AND 2500 THEN now() END
FROM generate_series(1, {USERS}) n;
INSERT INTO subscriptions (user_id, plan, status, period_end)
SELECT user_id, CASE WHEN user_id BETWEEN 1001 AND 3000 THEN 'pro' ELSE 'free' END,
       CASE WHEN user_id BETWEEN 2001 AND 3000 THEN 'canceled' ELSE 'active' END, '2026-01-01Z' FROM users;
INSERT INTO usage_metrics (user_id) SELECT user_id FROM users;
INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes)
SELECT user_id, 'n', 'p', 'f', user_id, '{{profile:read}}' FROM users;
INSERT INTO audit_events (action, source, subject_user_id) SELECT 'user.activated', 'cli', user_id FROM users
"""
DEEP = USERS // 10
FILTERS = {
    "all": UserFilter(),
    "admins": UserFilter(role=Role.ADMIN),
    "developers": UserFilter(role=Role.DEVELOPER),
    "plain users": UserFilter(role=Role.USER),
    "who pay": UserFilter(plan=Plan.PRO),
    "who do not pay": UserFilter(plan=Plan.FREE),
    "nobody's plan": UserFilter(plan=Plan.ENTERPRISE),
    **{status.value: UserFilter(status=status) for status in UserStatus},
    "e-mail": UserFilter(search="c4ca4238a0b9"),
    "short beginning": UserFilter(search="c4c"),
    "one letter": UserFilter(search="n"),
    "name": UserFilter(search="name1999"),
    "nobody": UserFilter(search="zzz_%"),
    "user_id": UserFilter(search="777"),
    "Clerk id": UserFilter(search="user_777"),
    "admins who pay": UserFilter(role=Role.ADMIN, plan=Plan.PRO),
    "search among admins": UserFilter(search="name", role=Role.ADMIN),
    "banned who pay": UserFilter(plan=Plan.PRO, status=UserStatus.BANNED),
}
INDEXED = {"Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Bitmap Index Scan"}


@pytest.fixture(scope="module")
def filled(postgres_url: str) -> Iterator[Connection]:
    with filled_database(postgres_url, "counterfoil_users_list", FILL) as connection:
        yield connection


class TestPage:
    @pytest.mark.parametrize("name", FILTERS)
    @pytest.mark.parametrize("before", [None, DEEP], ids=["first", "deep"])
    def test_indexes_alone(self, filled: Connection, name: str, before: int | None) -> None:
        plan = explain(filled, *select_users(FILTERS[name], limit=51, before=before))
        scans = [node for node in nodes(plan) if "Relation Name" in node]
        assert {node["Node Type"] for node in scans} <= INDEXED, json.dumps(plan, indent=1)
        assert "users" in {node["Relation Name"] for node in scans}
        # At worst one walk through users in their order, 4,600 blocks or 30 ms: what PostgreSQL sometimes chooses when
        # those who are asked for are all old ones. Out of order it would be 200,000.
        assert blocks(plan) < 6_000, json.dumps(plan, indent=1)

    def test_depth_costs_nothing(self, filled: Connection) -> None:
        first, deep = (explain(filled, *select_users(UserFilter(), limit=51, before=before)) for before in (None, DEEP))
        assert first["Actual Rows"] == deep["Actual Rows"] == 51
        assert blocks(deep) <= 2 * blocks(first)

    def test_five_admins(self, filled: Connection) -> None:
        plan = explain(filled, *select_users(UserFilter(role=Role.ADMIN), limit=51))
        assert plan["Actual Rows"] == 5
        assert "ix_users_role" in {node.get("Index Name") for node in nodes(plan)}
        assert blocks(plan) < 50


@pytest.mark.parametrize("statement", [FIND_USER, select_events(777)], ids=["user", "events"])
def test_show_reads_indexes_alone(filled: Connection, statement: Any) -> None:
    plan = explain(filled, statement, {"user_id": 777} if statement is FIND_USER else {})
    scans = [node for node in nodes(plan) if "Relation Name" in node]
    assert {node["Node Type"] for node in scans} <= INDEXED
    assert blocks(plan) < 50
