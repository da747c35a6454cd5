"""Whose plan Clerk Billing sets: users who came before and after, old ones, and those who were given a plan here."""

from typing import Any

import pytest

from tests.conftest import Deliver
from tests.support.admins import ADMIN, add_admin
from tests.support.billing import FUTURE, USER, alone, item, listing, payer, status
from tests.support.clerk import Instance, user_data
from tests.support.commands import make_app, run
from tests.support.database import Sql
from tests.support.fixtures import Shown
from tests.support.server import Server


class TestUser:
    def test_not_here_yet(self, deliver: Deliver, sql: Sql, shown: Shown) -> None:
        assert status(deliver("subscription.created", listing(item("pro")))) == "applied"
        deliver("user.created", user_data(USER, first_name="Ada"))
        made = {"first_name": "Ada", "provisioned_by": "webhook"}
        assert sql.row("SELECT first_name, provisioned_by FROM users") == made
        assert (shown()["plan"], shown()["is_managed_by_clerk"]) == ("pro", True)

    @pytest.mark.parametrize("is_user_first", [True, False])
    @pytest.mark.parametrize("slug", ["free_user", "free"])
    def test_new_user_of_a_legacy_row(
        self, deliver: Deliver, sql: Sql, shown: Shown, slug: str, *, is_user_first: bool
    ) -> None:
        """Clerk sends both when a user signs up: the link does not depend on which is faster, and the old plan stays."""
        legacy = sql.value("INSERT INTO users (provisioned_by) VALUES ('legacy') RETURNING user_id")
        sql.rows("INSERT INTO subscriptions (user_id, plan) VALUES (%s, 'pro')", legacy)
        events = [
            ("user.created", user_data(USER, external_id=str(legacy))),
            ("subscription.created", listing(item(slug))),
        ]
        for event in events if is_user_first else events[::-1]:
            assert status(deliver(*event)) == "applied"
        linked = {"user_id": legacy, "clerk_user_id": USER}
        assert sql.row("SELECT user_id, clerk_user_id FROM users") == linked
        assert (shown()["plan"], shown()["is_managed_by_clerk"]) == ("pro", False)

    def test_deleted(self, deliver: Deliver, sql: Sql) -> None:
        deliver("subscription.created", listing(item("pro")))
        deliver("user.deleted", {"id": USER, "deleted": True})
        assert sql.rows("SELECT * FROM clerk_billing") == []
        before = sql.row("SELECT * FROM subscriptions")
        assert status(deliver("subscription.active", listing(item("enterprise", 9), at=9))) == "stale"
        assert status(deliver("subscriptionItem.active", alone("enterprise", 9))) == "stale"
        assert sql.row("SELECT * FROM subscriptions") == before
        assert sql.rows("SELECT * FROM clerk_billing") == []

    def test_organization_pays(self, deliver: Deliver, sql: Sql) -> None:
        data = listing(item("pro"), payer=payer(None, "org_1"))
        assert status(deliver("subscription.created", data)) == "ignored"
        assert status(deliver("subscriptionItem.active", alone(payer=payer(USER, "org_1")))) == "ignored"
        assert sql.rows("SELECT * FROM users") == []


class TestPlanGivenHere:
    """Clerk's free plan ends what Clerk gave, and nothing else."""

    @pytest.fixture
    def given_by_admin(self, server: Server, clerk: Instance, sql: Sql) -> Any:
        def give(plan: str) -> None:
            user_id = sql.user(USER)["user_id"]
            add_admin(sql)
            path = f"/api/users/{user_id}"
            answer = server.request("PATCH", path, clerk.token(sub=ADMIN), json={"plan": plan})
            assert answer.status_code == 200, answer.text

        return give

    @pytest.fixture(params=["admin", "operator", "older system"])
    def given(
        self, request: pytest.FixtureRequest, sql: Sql, settings: dict[str, str], given_by_admin: Any
    ) -> Any:
        """Give the user a plan."""

        def give(plan: str) -> None:
            user_id = sql.user(USER)["user_id"]
            if request.param == "older system":
                change = "UPDATE subscriptions SET plan = %s, stripe_customer_id = 'cus_1' WHERE user_id = %s"
                sql.rows(change, plan, user_id)
            elif request.param == "operator":
                assert run(make_app(settings), "set-plan", str(user_id), plan).exit_code == 0
            else:
                given_by_admin(plan)

        return give

    @pytest.mark.parametrize(
        "free",
        [
            ("subscription.created", listing(item("free_user", 5), at=5)),
            ("subscriptionItem.active", alone("free", 5)),
            ("subscriptionItem.ended", alone("pro", 5, "ended")),
            ("subscription.updated", listing(at=5, status="ended")),
        ],
        ids=["free_user", "free", "item ended", "all ended"],
    )
    def test_free_at_clerk(
        self, deliver: Deliver, sql: Sql, given: Any, shown: Shown, free: tuple[str, dict[str, Any]]
    ) -> None:
        deliver("user.created", user_data(USER))
        given("enterprise")
        before = sql.rows("SELECT * FROM subscriptions")
        assert status(deliver(*free)) == "applied"
        assert sql.rows("SELECT * FROM subscriptions") == before
        told = [shown()[name] for name in ("plan", "status", "is_managed_by_clerk")]
        assert told == ["enterprise", "active", False]

    def test_bought_at_clerk(self, deliver: Deliver, sql: Sql, given: Any, shown: Shown) -> None:
        """It takes the place of what was given, and ends."""
        deliver("user.created", user_data(USER))
        given("enterprise")
        customer = sql.value("SELECT max(stripe_customer_id) FROM subscriptions")
        deliver("subscription.created", listing(item("pro")))
        assert (shown()["plan"], shown()["is_managed_by_clerk"]) == ("pro", True)
        deliver("subscriptionItem.ended", alone("pro", 2, "ended"))
        assert (shown()["plan"], shown()["is_managed_by_clerk"]) == ("free", False)
        assert sql.value("SELECT max(stripe_customer_id) FROM subscriptions") == customer

    @pytest.mark.parametrize("plan", ["free", "enterprise"])
    def test_profile(self, deliver: Deliver, shown: Shown, given_by_admin: Any, plan: str) -> None:
        """It is no word on the plan."""
        deliver("user.created", user_data(USER))
        deliver("subscription.created", listing(item("pro", period_end=FUTURE)))
        given_by_admin(plan)
        data = user_data(USER, first_name="Ada")
        assert status(deliver("user.updated", data)) == "applied"
        assert shown()["plan"] == plan

    def test_that_was_to_end(self, deliver: Deliver, shown: Shown, given_by_admin: Any) -> None:
        """The same plan, given before Clerk ended it."""
        deliver("subscriptionItem.canceled", alone("pro", 1, "canceled", period_end=FUTURE))
        given_by_admin("pro")
        deliver("subscriptionItem.ended", alone("pro", 2, "ended"))
        assert (shown()["plan"], shown()["status"], shown()["period_end"]) == ("pro", "active", None)
