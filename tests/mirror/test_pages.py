"""Pages of a list are written by the rules of events, a statement a table."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, event, make_url

from backend.services.clerk.linking import LinkRules
from backend.services.clerk.mirror.apply import Mirror
from backend.services.clerk.mirror.kinds import KINDS
from backend.services.clerk.mirror.objects import Ties
from backend.services.clerk.mirror.pages import Written, apply_page, delete_page
from tests.conftest import Deliver
from tests.support.admins import add_user
from tests.support.billing import USER, alone, item, listing, payer
from tests.support.clerk import now_ms, user_data
from tests.support.database import Sql

Page = Callable[..., Written]
MIRROR = Mirror(LinkRules(by_email=True, external_id_prefix=None), timedelta())


class Pages:
    """`sent`: the statements of the last page."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
        self.sent: list[str] = []
        event.listen(self.engine, "before_cursor_execute", lambda *arguments: self.sent.append(arguments[2]))

    def apply(self, name: str, *objects: dict[str, Any], ties: Ties = Ties.WIN_WHERE_OTHER) -> Written:
        self.sent.clear()
        with self.engine.begin() as connection:
            return apply_page(MIRROR, connection, KINDS[name], objects, source="backfill", as_of=now_ms(), ties=ties)

    def delete(self, name: str, *ids: str) -> frozenset[str]:
        with self.engine.begin() as connection:
            return delete_page(MIRROR, connection, KINDS[name], ids, source="reconcile")


@pytest.fixture
def pages(database_url: str, sql: Sql) -> Iterator[Pages]:  # noqa: ARG001 - the tables are to be empty
    made = Pages(database_url)
    yield made
    made.engine.dispose()


def users(count: int, **changes: Any) -> Sequence[dict[str, Any]]:
    return [
        user_data(f"user_{number}", updated_at=5_000, email=f"{number}@example.com", **changes)
        for number in range(count)
    ]


def test_many_users_cost_as_many_statements_as_few(pages: Pages, sql: Sql) -> None:
    assert len(pages.apply("users", *users(2)).newer) == 2
    few = len(pages.sent)
    sql.empty_all()
    assert len(pages.apply("users", *users(300)).newer) == 300
    assert len(pages.sent) == few <= 8
    counts = "SELECT count(*) AS users, count(s.user_id) AS plans, count(m.user_id) AS meters FROM users"
    joined = "LEFT JOIN subscriptions s USING (user_id) LEFT JOIN usage_metrics m USING (user_id)"
    assert sql.row(f"{counts} {joined}") == {"users": 300, "plans": 300, "meters": 300}
    assert sql.value("SELECT count(*) FROM users WHERE email_verified AND provisioned_by = 'backfill'") == 300


def test_again_changes_nothing_but_what_differs(pages: Pages, sql: Sql) -> None:
    page = users(5)
    pages.apply("users", *page)
    sql.rows("UPDATE users SET first_name = 'wrong' WHERE clerk_user_id = 'user_1'")
    assert pages.apply("users", *page).newer == frozenset()
    page[2]["public_metadata"] = {"a": 1}
    assert pages.apply("users", *page).newer == {"user_2"}
    assert pages.apply("users", *page, ties=Ties.WIN).newer == {f"user_{number}" for number in range(5)}
    assert sql.user("user_1")["first_name"] is None


def test_newer_state_and_tombstones_stay(pages: Pages, deliver: Deliver, sql: Sql) -> None:
    deliver("user.updated", user_data("user_0", updated_at=6_000, first_name="Newer"))
    deliver("user.deleted", {"id": "user_1"})
    assert pages.apply("users", *users(3, first_name="Page")).newer == {"user_2"}
    assert sql.user("user_0")["first_name"] == "Newer"
    assert sql.user("user_1")["deleted_at"] is not None


def test_addresses_and_legacy_rows_are_decided_one_by_one(pages: Pages, sql: Sql) -> None:
    legacy = add_user(sql, clerk_user_id=None, email="0@example.com", provisioned_by="legacy")
    page = [*users(3), user_data("user_9", updated_at=9_000, email="2@EXAMPLE.com")]
    assert len(pages.apply("users", *page).newer) == 4
    assert sql.user("user_0")["user_id"] == legacy
    assert [sql.user(user)["email_verified"] for user in ("user_1", "user_2", "user_9")] == [True, False, True]


def test_what_cannot_be_used_keeps_nothing_away(pages: Pages, sql: Sql) -> None:
    page = [*users(2), {"id": "user_bad"}, user_data("user_nan", email="n@example.com") | {"x": float("nan")}]
    written = pages.apply("users", *page)
    assert written.newer == {"user_0", "user_1"}
    assert written.unusable.keys() == {"user_bad", "user_nan"}
    assert sql.value("SELECT count(*) FROM users") == 2


class TestBilling:
    def test_plan_follows(self, pages: Pages, sql: Sql) -> None:
        pages.apply("users", user_data(USER))
        unknown = alone("gold", id="csub_item_9", payer=payer("user_2"))
        written = pages.apply("subscription_items", alone("pro", 5), unknown, alone("team", payer=payer(None, "org_1")))
        assert written.newer == {"csub_item_pro", "csub_item_team"}
        assert written.unusable.keys() == {"csub_item_9"}
        assert sql.value("SELECT plan FROM subscriptions") == "pro"
        pages.apply("subscriptions", listing(item("enterprise", 6), at=6))
        assert sql.value("SELECT plan FROM subscriptions") == "enterprise"
        assert pages.delete("subscription_items", "csub_item_enterprise") == {"csub_item_enterprise"}
        assert sql.value("SELECT plan FROM subscriptions") == "free"

    def test_nothing_is_left_at_clerk(self, pages: Pages, sql: Sql) -> None:
        pages.apply("users", user_data(USER))
        pages.apply("subscription_items", alone("pro", 5))
        assert pages.delete("subscription_items", "csub_item_pro") == {"csub_item_pro"}
        assert sql.row("SELECT plan, clerk_subscription_id FROM subscriptions") == {
            "plan": "free",
            "clerk_subscription_id": None,
        }

    def test_what_diverged_is_repaired(self, pages: Pages, sql: Sql) -> None:
        """With one time, and the smaller at Clerk."""
        pages.apply("users", user_data(USER))
        pages.apply("subscription_items", alone("pro", 5))
        sql.rows("UPDATE clerk.subscription_items SET data = jsonb_set(data, '{plan,slug}', '\"enterprise\"')")
        assert pages.apply("subscription_items", alone("pro", 5), ties=Ties.WIN).newer == {"csub_item_pro"}
        assert sql.value("SELECT plan FROM clerk.subscription_items") == "pro"


def test_delete(pages: Pages, sql: Sql) -> None:
    pages.apply("users", *users(2))
    membership = {"id": "orgmem_1", "updated_at": 1, "organization": {"id": "org_1"}}
    pages.apply("organization_memberships", membership | {"public_user_data": {"user_id": "user_0"}})
    assert pages.delete("users", "user_0", "user_7") == {"user_0", "user_7"}
    assert pages.delete("users", "user_0") == frozenset()
    assert sql.value("SELECT count(*) FROM clerk.organization_memberships WHERE deleted_at IS NULL") == 0
