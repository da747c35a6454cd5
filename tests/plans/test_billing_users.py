"""Whose plan Clerk Billing sets, events that cannot be applied as they are, and Clerk's own examples."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from backend.models.roles_plans_scopes import Plan
from backend.services.clerk import billing, billing_payloads
from backend.services.plans.catalogue import CLERK_SLUGS
from tests.conftest import Deliver
from tests.support import legacy_users
from tests.support.admins import ADMIN, add_admin
from tests.support.billing import FUTURE, USER, alone, item, listing, payer, plan, status
from tests.support.clerk import Instance, user_data
from tests.support.commands import make_app, run
from tests.support.database import Sql
from tests.support.fixtures import Shown
from tests.support.server import Server

KEPT = """
SELECT plan, coalesce(user_id, organization_id) AS payer FROM clerk.subscription_items WHERE data IS NOT NULL ORDER BY 1
"""


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
        """Clerk sends both when a user signs up: the link does not depend on which is faster; the old plan stays."""
        legacy = legacy_users.add_user(sql)
        sql.rows("INSERT INTO subscriptions (user_id, plan) VALUES (%s, 'pro')", legacy)
        events = [("user.created", legacy_users.ada(USER)), ("subscription.created", listing(item(slug)))]
        for event in events if is_user_first else events[::-1]:
            assert status(deliver(*event)) == "applied"
        linked = {"user_id": legacy, "clerk_user_id": USER}
        assert sql.row("SELECT user_id, clerk_user_id FROM users") == linked
        assert (shown()["plan"], shown()["is_managed_by_clerk"]) == ("pro", False)

    def test_deleted(self, deliver: Deliver, sql: Sql) -> None:
        deliver("subscription.created", listing(item("pro")))
        deliver("user.deleted", {"id": USER, "deleted": True})
        assert sql.rows(KEPT) == []
        before = sql.row("SELECT * FROM subscriptions")
        assert status(deliver("subscription.active", listing(item("enterprise", 9), at=9))) == "stale"
        assert status(deliver("subscriptionItem.active", alone("enterprise", 9))) == "stale"
        assert sql.row("SELECT * FROM subscriptions") == before
        assert sql.rows(KEPT) == []

    def test_organization_pays(self, deliver: Deliver, sql: Sql) -> None:
        data = listing(item("pro"), payer=payer(None, "org_1"))
        assert status(deliver("subscription.created", data)) == "applied"
        assert status(deliver("subscriptionItem.active", alone("gold", 2, payer=payer(USER, "org_1")))) == "applied"
        assert sql.rows("SELECT * FROM users") == []
        assert [tuple(row.values()) for row in sql.rows(KEPT)] == [("gold", "org_1"), ("pro", "org_1")]


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
    def given(self, request: pytest.FixtureRequest, sql: Sql, settings: dict[str, str], given_by_admin: Any) -> Any:
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


class TestUnknownPlan:
    """A slug that is none of ours, of an item that grants something."""

    def test_present_plan_stays(self, deliver: Deliver, sql: Sql, server: Server) -> None:
        deliver("subscription.created", listing(item("pro")))
        before = sql.rows(KEPT)
        data = listing(item("platinum\nplus", 2, id="csub_item_2"), at=2)
        assert status(deliver("subscription.updated", data)) == "dead"
        assert status(deliver("subscriptionItem.active", alone("gold", 2))) == "dead"
        assert plan(sql) == ("pro", "active")
        assert sql.rows(KEPT) == before
        log = server.log.read_text()
        assert "'platinum\\nplus'" in log
        assert "CLERK_SLUGS" in log

    def test_nobody_is_made_for_it(self, deliver: Deliver, sql: Sql) -> None:
        assert status(deliver("subscription.created", listing(item("gold")))) == "dead"
        assert sql.rows("SELECT * FROM users") == []

    def test_is_kept_until_the_slug_is_ours(
        self, settings: dict[str, str], deliver: Deliver, clerk: Instance, sql: Sql, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = listing(item("gold"))
        assert status(deliver("subscription.created", data, event_id="msg_1")) == "dead"
        row = sql.row("SELECT status, subject_id, payload FROM webhook_events")
        assert (row["status"], row["subject_id"], json.loads(row["payload"])["data"]) == ("dead", USER, data)
        for module in (billing, billing_payloads):  # a new release
            monkeypatch.setattr(module, "CLERK_SLUGS", {**CLERK_SLUGS, "gold": Plan.PRO})
        body = row["payload"].encode()
        headers = clerk.webhook_headers(body, event_id="msg_1")
        answer = make_app(settings).test_client().post("/api/webhooks", data=body, headers=headers)
        assert answer.get_json() == {"status": "applied"}
        assert plan(sql) == ("pro", "active")
        assert sql.row("SELECT status, payload FROM webhook_events") == {"status": "applied", "payload": None}

    def test_item_that_grants_nothing(self, deliver: Deliver, sql: Sql) -> None:
        """Whatever its plan is or was, it keeps nobody from the one that was bought."""
        for is_over in ("upcoming", "incomplete", "abandoned", "expired", "ended"):
            for old in ({"slug": "old_plan"}, {"slug": "\x00"}, {"slug": None}, {}, None):
                sql.empty_all()
                gone = item("old", 1, is_over, plan=old)
                assert status(deliver("subscription.updated", listing(gone, item("pro", 2), at=2))) == "applied"
                assert plan(sql) == ("pro", "active"), (is_over, old)


class TestPublishedExamples:
    @pytest.fixture
    def examples(self, shared_data: Path) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((shared_data / "clerk-webhook-examples.json").read_text())
        return {kind: body for kind, body in read.items() if kind.startswith("subscription")}

    def test_slugs_of_another_application(self, deliver: Deliver, sql: Sql, examples: dict[str, Any]) -> None:
        """Nobody gets anything from them, and those that grant something are kept."""
        assert len(examples) == 13
        for kind, body in examples.items():
            is_over = kind.endswith((".abandoned", ".ended", ".incomplete", ".upcoming"))
            assert status(deliver(kind, body["data"])) in ({"applied", "stale"} if is_over else {"dead"})
        assert plan(sql) == ("free", "active")

    @pytest.mark.parametrize("is_reversed", [False, True])
    def test_with_our_slugs(self, deliver: Deliver, sql: Sql, examples: dict[str, Any], *, is_reversed: bool) -> None:
        """All are of one item: it ended last."""
        for kind, body in sorted(examples.items(), reverse=is_reversed):
            data = copy.deepcopy(body["data"])
            for entry in data.get("items", [data]):
                entry["plan"]["slug"] = "pro"
            assert status(deliver(kind, data)) in {"applied", "stale"}
        assert plan(sql) == ("free", "active")
        assert sql.value("SELECT clerk_user_id FROM users") == "user_34D368EufHwugfYh4yyGNEheM0S"


UNREADABLE: list[tuple[str, Any]] = [
    *(("subscription.created", listing(payer=wrong)) for wrong in (None, payer(None), payer("\x00"))),
    ("subscription.created", listing(items=None)),
    ("subscription.created", listing(items=["pro"])),
    ("subscription.created", listing(id=None)),
    ("subscription.created", listing(status="new")),
    ("subscription.created", listing() | {"status": ["active"]}),
    ("subscription.created", listing(at=-1)),
    ("subscription.created", listing(item("pro", 2**70))),
    ("subscription.created", listing(item("pro", plan=None))),
    ("subscription.created", listing(item("pro", plan={"slug": 1}))),
    ("subscription.created", listing(item("pro", status="canceled", plan=None))),
    ("subscription.created", listing(item("pro", status="gone"))),
    ("subscription.created", listing(item("pro", id="a b"))),
    ("subscription.created", listing(item("pro", period_end="soon"))),
    ("subscriptionItem.active", alone(subscription_id=None)),
    ("subscriptionItem.active", []),
]


def test_unreadable_is_kept_for_a_fix(deliver: Deliver, sql: Sql) -> None:
    for kind, data in UNREADABLE:
        sql.empty_all()
        assert status(deliver(kind, data)) == "dead", data
        assert sql.rows("SELECT * FROM users") == []
        assert sql.value("SELECT error FROM webhook_events").startswith("data.")
