"""GET /api/users: the list that admins look through."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.admins import ADMIN, Users, add_admin, add_user, states
from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server

SLOW = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


STATUSES = (None, "active", "deactivated", "banned", "deleted")


def has_status(row: dict[str, Any], status: str | None) -> bool:
    is_deleted = row["deleted_at"] is not None
    match status:
        case "active":
            return row["is_active"] and not row["banned"] and not is_deleted
        case "deactivated":
            return not row["is_active"] and not is_deleted
        case "banned":
            return row["banned"] and not is_deleted
        case "deleted":
            return is_deleted
    return not is_deleted


class TestOrder:
    def test_admin(self, users: Users, sql: Sql) -> None:
        ada = add_user(sql, email="ada@example.com", first_name="Ada", plan="pro", banned=True)
        page = users.page()
        assert page["next_cursor"] is None
        first, admin = page["users"]
        assert (admin["clerk_user_id"], admin["role"]) == (ADMIN, "admin")
        row = sql.row("SELECT * FROM users WHERE user_id = %s", ada)
        times = ("created_at", "last_login_at", "deleted_at")
        same = {name: value for name, value in first.items() if name not in {*times, "plan"}}
        assert same == {name: row[name] for name in same}
        assert set(first) - set(same) == {*times, "plan"}
        assert (first["plan"], first["deleted_at"]) == ("pro", None)

    def test_fifty_unless_said(self, users: Users, sql: Sql) -> None:
        for _ in range(60):
            add_user(sql)
        assert len(users.ids()) == 50
        assert len(users.ids(limit=100)) == 61

    @given(limit=st.integers(1, 100), count=st.integers(0, 12), arrivals=st.integers(0, 3))
    @SLOW
    def test_walk_sees_everybody_once(
        self, server: Server, clerk: Instance, sql: Sql, limit: int, count: int, arrivals: int
    ) -> None:
        """Whoever was there at the start, however many come and go meanwhile."""
        sql.empty_all()
        there = {add_admin(sql), *(add_user(sql) for _ in range(count))}
        seen: list[int] = []
        for page in Users(server, clerk).pages(limit=limit):
            assert len(page) <= limit
            seen += page
            for _ in range(arrivals):
                add_user(sql)
            sql.rows("UPDATE users SET updated_at = now()")  # moves the rows: the table has another order
        assert seen == sorted(there, reverse=True)

    def test_no_empty_last_page(self, users: Users, sql: Sql) -> None:
        for _ in range(5):
            add_user(sql)
        sizes = {1: [1] * 6, 2: [2, 2, 2], 3: [3, 3], 4: [4, 2], 5: [5, 1], 6: [6]}
        for limit, expected in sizes.items():
            assert [len(page) for page in users.pages(limit=limit)] == expected


class TestFilters:
    def test_every_combination(self, users: Users, sql: Sql) -> None:
        """One user of every kind; what each filter finds is told from the rows by Python."""
        for role, plan, last_name, is_active, banned, deleted_at in itertools.product(
            ("user", "developer", "admin"),
            ("free", "pro", "enterprise"),
            ("Ada", None),
            (True, False),
            (True, False),
            ("2026-01-01", None),
        ):
            if deleted_at is None or not is_active:
                columns = {"last_name": last_name, "is_active": is_active, "banned": banned}
                add_user(sql, role=role, plan=plan, deleted_at=deleted_at, **columns)
        rows = sql.rows("SELECT * FROM users JOIN subscriptions USING (user_id) ORDER BY user_id DESC")
        for status, of_role, of_plan, search in itertools.product(
            STATUSES, (None, "user", "developer", "admin"), (None, "free", "pro", "enterprise"), (None, "ada")
        ):
            expected = [
                row["user_id"]
                for row in rows
                if has_status(row, status)
                and of_role in {None, row["role"]}
                and of_plan in {None, row["plan"]}
                and (search is None or row["last_name"] == "Ada")
            ]
            query = {"status": status, "role": of_role, "plan": of_plan, "search": search}
            found = list(itertools.chain(*users.pages(limit=37, **query)))
            assert found == expected, query

    def test_user_without_subscription(self, users: Users, sql: Sql) -> None:
        """A legacy user who has not come since has none yet, and is on no plan."""
        legacy = add_user(sql, clerk_user_id=None)
        sql.rows("DELETE FROM subscriptions WHERE user_id = %s", legacy)
        assert users.page()["users"][0]["plan"] is None
        assert users.ids(plan="free") == [1]

    @pytest.mark.parametrize(
        ("status", "period_end", "counts"),
        [
            ("canceled", "2026-01-01Z", "free"),
            ("canceled", "2100-01-01Z", "pro"),
            ("canceled", None, "pro"),
            ("past_due", "2026-01-01Z", "pro"),
            ("active", "2026-01-01Z", "pro"),
        ],
    )
    def test_plan_that_counts_now(
        self, users: Users, sql: Sql, status: str, period_end: str | None, counts: str
    ) -> None:
        """A canceled plan is over with its period, also while its user does not come and nobody has taken it back."""
        ada = add_user(sql, plan="pro")
        change = "UPDATE subscriptions SET status = %s, period_end = %s WHERE user_id = %s"
        sql.rows(change, status, period_end, ada)
        before = states(sql)
        assert users.page()["users"][0]["plan"] == counts
        assert [plan for plan in ("free", "pro", "enterprise") if ada in users.ids(plan=plan)] == [counts]
        assert states(sql) == before, "a list changes nothing"
        assert users.page(plan=counts)["users"][0]["plan"] == counts
