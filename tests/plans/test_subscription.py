"""What the plans allow, GET /api/subscription, and giving a plan."""

import itertools
from functools import partial

from backend.models.roles_plans_scopes import Plan
from backend.resources import quotas, row_limits
from backend.services.clerk.webhooks.events import EVENT_TYPES
from backend.services.plans.catalogue import CLERK_SLUGS, PLANS, all_limits
from tests.conftest import Deliver
from tests.support.admins import add_user
from tests.support.api_keys import KeyOwner
from tests.support.billing import EVENTS, FUTURE, alone, item, listing, payer
from tests.support.clerk import Instance
from tests.support.commands import make_app, run
from tests.support.database import Sql
from tests.support.plans import PAGE, page_with_table
from tests.support.server import Server
from tests.support.subscribers import ADA, LIMIT, Subscriber
from tests.support.traffic import in_parallel


class TestShow:
    def test_new_user(self, server: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002 - emptied
        answer = server.get("/api/subscription", clerk.token(sub="user_new"))
        body = answer.json()
        assert body.pop("period_start").endswith("Z")
        assert body == {
            "plan": "free",
            "status": "active",
            "period_end": None,
            "is_managed_by_clerk": False,
            "limits": row_limits(Plan.FREE) | {"tokens_a_month": 10_000, "rate_tier": "free"},
            "used": {quota.name: 0 for _, quota in quotas()} | {"tokens": 0},
            "plans": [{"plan": plan} | all_limits(plan) for plan in Plan],
        }
        assert (body["limits"]["api_keys"], body["limits"]["kept_responses"]) == (5, 500)
        assert answer.headers["Cache-Control"] == "no-store"

    def test_what_is_used(self, sql: Sql, key_owner: KeyOwner, subscriber: Subscriber) -> None:
        add_user(sql)
        sql.rows("UPDATE usage_metrics SET tokens_used = 77 WHERE user_id = %s", subscriber.user_id)
        key_owner.create()
        key_owner.revoke(key_owner.create())
        sql.rows("UPDATE api_keys SET expires_at = now() WHERE key_id = %s", key_owner.create()["key_id"])
        used = subscriber.show()["used"]
        assert (used["tokens"], used["api_keys"]) == (77, 1)

    def test_enterprise(self, subscriber: Subscriber) -> None:
        subscriber.set_plan("enterprise")
        limits = subscriber.show()["limits"]
        assert limits == all_limits(Plan.ENTERPRISE)
        assert (limits["tokens_a_month"], limits["api_keys"]) == (5_000_000, 50)


class TestChange:
    """By an admin: PATCH /api/users/<id>; by an operator: flask users set-plan."""

    def test_by_an_operator(self, settings: dict[str, str], subscriber: Subscriber) -> None:
        result = run(make_app(settings), "set-plan", str(subscriber.user_id), "pro")
        assert result.exit_code == 0, result.stderr
        assert (subscriber.show()["plan"], subscriber.show()["limits"]["tokens_a_month"]) == ("pro", 250_000)

    def test_same_plan(self, sql: Sql, subscriber: Subscriber) -> None:
        """It neither ends nor renews anything."""
        for plan in ("free", "pro"):
            subscriber.set_plan(plan)
            before = sql.rows("SELECT * FROM subscriptions"), sql.rows(EVENTS)
            subscriber.set_plan(plan)
            assert (sql.rows("SELECT * FROM subscriptions"), sql.rows(EVENTS)) == before

    def test_same_plan_of_clerk(self, deliver: Deliver, sql: Sql, subscriber: Subscriber) -> None:
        """It goes on from month to month, and stays Clerk's."""
        deliver("subscription.created", listing(item("pro", period_end=FUTURE), payer=payer(ADA)))
        before = sql.rows("SELECT * FROM subscriptions"), sql.rows(EVENTS)
        subscriber.set_plan("pro")
        assert (sql.rows("SELECT * FROM subscriptions"), sql.rows(EVENTS)) == before

    def test_same_plan_that_was_to_end(self, sql: Sql, subscriber: Subscriber) -> None:
        subscriber.set_plan("pro")
        subscriber.cancel()
        assert subscriber.show()["status"] == "canceled"
        subscriber.set_plan("pro")
        assert (subscriber.show()["status"], subscriber.show()["period_end"]) == ("active", None)
        assert [(row["source"], row["details"]) for row in sql.rows(EVENTS)[1:]] == [
            ("api", {"from": "pro", "to": "pro"})
        ]

    def test_free_has_no_end_to_take_away(self, sql: Sql, subscriber: Subscriber) -> None:
        subscriber.set_plan("pro")
        subscriber.lapse()
        assert subscriber.show()["plan"] == "free"
        before = sql.rows(EVENTS)
        subscriber.set_plan("free")
        assert sql.rows(EVENTS) == before

    def test_what_clerk_says_next_counts(self, deliver: Deliver, sql: Sql, subscriber: Subscriber) -> None:
        bought = listing(item("pro", period_end=FUTURE), payer=payer(ADA))
        deliver("subscription.created", bought)
        subscriber.set_plan("enterprise")
        assert deliver("subscription.active", bought).json() == {"status": "stale"}
        body = subscriber.show()
        assert (body["plan"], body["period_end"], body["is_managed_by_clerk"]) == ("enterprise", None, False)
        deliver("subscriptionItem.updated", alone("pro", 2, payer=payer(ADA)))
        body = subscriber.show()
        assert (body["plan"], body["is_managed_by_clerk"]) == ("pro", True)
        assert body["limits"]["tokens_a_month"] == 250_000
        assert sql.value("SELECT count(*) FROM audit_events") == 3

    def test_twenty_at_once(self, sql: Sql, subscriber: Subscriber) -> None:
        """Whatever the order, the limit is the plan's, and each change begins where the one before ended."""
        in_parallel([partial(subscriber.set_plan, plan) for plan in ["pro", "free", "enterprise", "free"] * 5])
        moves = [row["details"] for row in sql.rows(EVENTS)]
        assert [move["from"] for move in moves] == ["free", *(move["to"] for move in moves[:-1])]
        plan = sql.value("SELECT plan FROM subscriptions WHERE user_id = %s", subscriber.user_id)
        limit = sql.value(LIMIT, subscriber.user_id)
        assert (moves[-1]["to"], limit) == (plan, PLANS[Plan(plan)].tokens_a_month)


def test_the_page_shows_the_table() -> None:
    page = PAGE.read_text()
    assert page == page_with_table(page), "run: python -m tests.support.plans"


def test_the_page_names_what_clerk_needs() -> None:
    page = PAGE.read_text()
    subscriptions = [name for name in EVENT_TYPES if name.startswith("subscription.")]
    assert all(f"`{name}`" in page for name in (*subscriptions, *CLERK_SLUGS))
    assert len(subscriptions) == 4


def test_each_plan_allows_what_the_one_below_does() -> None:
    assert list(PLANS) == list(Plan)
    for lower, higher in itertools.pairwise(Plan):
        for name, limit in all_limits(lower).items():
            more = all_limits(higher)[name]
            assert more is None or isinstance(limit, str) or (isinstance(limit, int) and int(str(more)) > limit), name
