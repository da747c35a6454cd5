"""A plan that comes to its end, and what a change of plan does to limits and to those who have more than the new plan
allows.
"""

from functools import partial
from typing import Any

import pytest
from click.testing import Result
from flask import Blueprint

from backend.access.policy import Policy, policies_of, require_auth
from backend.models.roles_plans_scopes import Plan
from backend.services.plans.catalogue import PLANS
from tests.conftest import Deliver
from tests.support.admins import ADMIN
from tests.support.api_keys import KeyOwner
from tests.support.billing import EVENTS, FUTURE, PAST, item, listing, payer
from tests.support.caller import Caller, is_problem
from tests.support.clerk import Instance
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.subscribers import ADA, LIMIT, NEXT_MONTH, Subscriber
from tests.support.traffic import in_parallel

STORED = """
SELECT s.*, m.tokens_limit, (SELECT count(*) FROM audit_events) AS events
FROM subscriptions s LEFT JOIN usage_metrics m USING (user_id) ORDER BY user_id
"""
# Time passes: the item of this id, and the plan that it gave, have come to their end.
END_ITEM = """
UPDATE clerk.subscription_items SET data = jsonb_set(data, '{period_end}', to_jsonb(%s::bigint)) WHERE id = %s
"""


def make_key(settings: dict[str, str], subscriber: Subscriber) -> Result:
    """As an operator does: no request of the user comes before."""
    arguments = ["keys", "create", str(subscriber.user_id), "--name", "x", "--scope", "profile:read"]
    return make_app(settings).test_cli_runner().invoke(args=arguments)


class TestLapse:
    """A plan that was canceled ends with its period, also when Clerk's event of that never comes."""

    @pytest.fixture(autouse=True)
    def lapsed(self, subscriber: Subscriber) -> None:
        subscriber.set_plan("pro")
        subscriber.lapse()

    def test_next_request(self, sql: Sql, subscriber: Subscriber) -> None:
        body = subscriber.show()
        assert (body["plan"], body["status"]) == ("free", "canceled")
        assert body["limits"]["tokens_a_month"] == 10_000
        assert sql.value(LIMIT, subscriber.user_id) == 10_000
        assert sql.rows(EVENTS)[1:] == [
            {"action": "user.plan_changed", "source": "sync", "details": {"from": "pro", "to": "free"}}
        ]
        subscriber.show()
        assert len(sql.rows(EVENTS)) == 2

    def test_next_month(self, sql: Sql, subscriber: Subscriber) -> None:
        sql.rows(NEXT_MONTH)
        assert subscriber.show()["limits"]["tokens_a_month"] == 10_000

    def test_many_requests_at_once(self, server: Server, clerk: Instance, sql: Sql) -> None:
        ask = partial(Caller(server, clerk, ADA).call, "GET", "/api/subscription")
        assert [answer.json()["plan"] for answer in in_parallel([ask] * 12)] == ["free"] * 12
        assert len(sql.rows(EVENTS)) == 2

    def test_every_answer_agrees(self, server: Server, clerk: Instance, subscriber: Subscriber) -> None:
        admins = subscriber.show_admin()
        (listed,) = server.get("/api/users", clerk.token(sub=ADMIN), params={"search": ADA}).json()["users"]
        me = server.get("/auth/me", clerk.token(sub=ADA)).json()
        assert listed["plan"] == "free"
        for body in (admins, me):
            assert (body["subscription"]["plan"], body["usage"]["tokens_limit"]) == ("free", 10_000)

    def test_admin_who_looks_changes_nothing(self, sql: Sql, subscriber: Subscriber) -> None:
        before = sql.rows(STORED)
        subscriber.show_admin()
        assert sql.rows(STORED) == before

    def test_limit_given_by_hand_is_shown(self, sql: Sql, subscriber: Subscriber) -> None:
        sql.rows("UPDATE usage_metrics SET tokens_limit = 20000 WHERE user_id = %s", subscriber.user_id)
        assert subscriber.show_admin()["usage"]["tokens_limit"] == 20_000
        assert subscriber.show()["limits"]["tokens_a_month"] == 20_000

    def test_deleted_user(self, sql: Sql, subscriber: Subscriber, deliver: Deliver) -> None:
        deliver("user.deleted", {"id": ADA, "deleted": True})
        before = sql.rows(STORED)
        assert subscriber.show_admin()["subscription"]["plan"] == "free"
        assert sql.rows(STORED) == before

    def test_operator_makes_a_key(self, settings: dict[str, str], sql: Sql, subscriber: Subscriber) -> None:
        sql.rows(
            "INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes) "
            "SELECT %s, 'n', 'sk_app', 'abcd', n::text, '{profile:read}' FROM generate_series(1, 5) n",
            subscriber.user_id,
        )
        result = make_key(settings, subscriber)
        assert result.exit_code == 1
        assert "The plan free has room for 5 API keys" in result.stderr

    def test_operator_makes_a_key_in_the_next_month(
        self, settings: dict[str, str], sql: Sql, subscriber: Subscriber
    ) -> None:
        """The new month would else begin with the limit of the plan that has ended."""
        sql.rows(NEXT_MONTH)
        result = make_key(settings, subscriber)
        assert result.exit_code == 0, result.stderr
        assert subscriber.show()["limits"]["tokens_a_month"] == 10_000

    def test_given_again(self, subscriber: Subscriber) -> None:
        """A plan that an admin gives does not end with a period of the past."""
        subscriber.set_plan("pro")
        body = subscriber.show()
        assert (body["plan"], body["status"], body["period_end"]) == ("pro", "active", None)


class TestLapseAtClerk:
    """What Clerk grants beside the plan that has ended takes its place."""

    @pytest.mark.parametrize(
        ("others", "expected"),
        [
            ([item("pro")], ("pro", "active", True)),
            ([item("pro", status="past_due")], ("pro", "past_due", True)),
            ([item("pro", status="canceled", period_end=FUTURE)], ("pro", "canceled", True)),
            ([item("pro", status="canceled", period_end=PAST)], ("free", "canceled", False)),
            ([item("pro", status="upcoming")], ("free", "canceled", False)),
            ([], ("free", "canceled", False)),
        ],
        ids=range(6),  # FUTURE and PAST differ from one test process to the next
    )
    def test_next_request(
        self, deliver: Deliver, sql: Sql, subscriber: Subscriber, others: list[Any], expected: tuple[str, str, bool]
    ) -> None:
        dear = item("enterprise", status="canceled", period_end=FUTURE)
        deliver("subscription.created", listing(dear, *others, payer=payer(ADA)))
        assert subscriber.show()["plan"] == "enterprise"
        sql.rows(END_ITEM, PAST, "csub_item_enterprise")
        subscriber.lapse()
        body = subscriber.show()
        assert (body["plan"], body["status"], body["is_managed_by_clerk"]) == expected
        assert body["limits"]["tokens_a_month"] == (250_000 if expected[0] == "pro" else 10_000)
        told = {"source": "sync", "details": {"from": "enterprise", "to": expected[0]}}
        assert sql.rows(EVENTS)[1:] == [{"action": "user.plan_changed"} | told]

    def test_plan_of_the_older_system(self, deliver: Deliver, subscriber: Subscriber) -> None:
        """It was to end by its own word, whatever Clerk grants."""
        subscriber.set_plan("pro")
        deliver("subscription.created", listing(item("free_user"), payer=payer(ADA)))
        assert subscriber.show()["plan"] == "pro"
        subscriber.lapse()
        assert subscriber.show()["plan"] == "free"


def test_route_that_demands_a_plan(settings: dict[str, str], clerk: Instance, subscriber: Subscriber) -> None:
    """What a route demands is the plan that counts."""
    app = make_app(settings)
    blueprint = Blueprint("pro_only", __name__)
    blueprint.add_url_rule("/pro-only", view_func=require_auth(plan=Plan.PRO)(lambda: "welcome"))
    app.register_blueprint(blueprint)
    policies_of(app)["pro_only"] = Policy()

    def ask() -> int:
        headers = {"Authorization": f"Bearer {clerk.token(sub=ADA)}"}
        return app.test_client().get("/pro-only", headers=headers).status_code

    assert ask() == 403
    subscriber.set_plan("pro")
    assert ask() == 200
    subscriber.lapse()
    assert ask() == 403


GIVE_LIMIT = "UPDATE usage_metrics SET tokens_limit = %s WHERE user_id = %s"


class TestTokenLimit:
    @pytest.mark.parametrize("plan", [Plan.PRO, Plan.ENTERPRISE])
    def test_follows_and_back(self, sql: Sql, plan: Plan, subscriber: Subscriber) -> None:
        assert subscriber.set_plan(plan)["usage"]["tokens_limit"] == PLANS[plan].tokens_a_month
        assert subscriber.show()["limits"]["tokens_a_month"] == PLANS[plan].tokens_a_month
        assert subscriber.set_plan("free")["usage"]["tokens_limit"] == 10_000
        assert [row["details"] for row in sql.rows(EVENTS)] == [
            {"from": "free", "to": plan},
            {"from": plan, "to": "free"},
        ]

    @pytest.mark.parametrize(
        ("by_hand", "on_pro", "back_on_free"),
        [(99, 250_000, 10_000), (20_000, 250_000, 10_000), (300_000, 300_000, 300_000)],
    )
    def test_given_by_hand(
        self, sql: Sql, subscriber: Subscriber, by_hand: int, on_pro: int, back_on_free: int
    ) -> None:
        """It stays, unless a larger plan brings more."""
        sql.rows(GIVE_LIMIT, by_hand, subscriber.user_id)
        subscriber.set_plan("pro")
        assert subscriber.show()["limits"]["tokens_a_month"] == on_pro
        sql.rows(NEXT_MONTH)
        assert subscriber.show()["limits"]["tokens_a_month"] == on_pro
        subscriber.set_plan("free")
        assert subscriber.show()["limits"]["tokens_a_month"] == back_on_free

    @pytest.mark.parametrize("by_hand", [99, 20_000])
    def test_given_by_hand_before_a_smaller_plan(self, sql: Sql, subscriber: Subscriber, by_hand: int) -> None:
        subscriber.set_plan("pro")
        sql.rows(GIVE_LIMIT, by_hand, subscriber.user_id)
        subscriber.set_plan("free")
        assert subscriber.show()["limits"]["tokens_a_month"] == by_hand

    def test_bought(self, sql: Sql, subscriber: Subscriber, deliver: Deliver) -> None:
        """A little that was given once is no reason to withhold what was paid for."""
        sql.rows(GIVE_LIMIT, 20_000, subscriber.user_id)
        deliver("subscription.created", listing(item("pro"), payer=payer(ADA)))
        assert subscriber.show()["limits"]["tokens_a_month"] == 250_000

    def test_change_before_the_first_request_of_a_month(self, sql: Sql, subscriber: Subscriber) -> None:
        sql.rows(NEXT_MONTH)
        subscriber.set_plan("pro")
        assert subscriber.show()["limits"]["tokens_a_month"] == 250_000
        past = "SELECT tokens_limit FROM usage_metrics WHERE user_id = %s ORDER BY period_start LIMIT 1"
        assert sql.value(past, subscriber.user_id) == 10_000, "the month before is history"

    def test_first_month_of_a_plan_from_before(self, sql: Sql, subscriber: Subscriber) -> None:
        """A legacy user has a plan and no usage."""
        sql.rows("UPDATE subscriptions SET plan = 'enterprise'")
        sql.rows("DELETE FROM usage_metrics WHERE user_id = %s", subscriber.user_id)
        assert subscriber.show()["limits"]["tokens_a_month"] == 5_000_000


class TestDowngrade:
    """Below what is used: new things are refused, nothing is deleted, reading goes on."""

    def test_api_keys(self, key_owner: KeyOwner, subscriber: Subscriber) -> None:
        subscriber.set_plan("pro")
        keys = [key_owner.create() for _ in range(7)]
        subscriber.set_plan("free")
        body = is_problem(key_owner.post(), 402, "quota-exceeded")
        assert (body["limit"], body["used"]) == (5, 7)
        assert len(key_owner.call("GET").json()["keys"]) == 7
        assert {key_owner.use(key).status_code for key in keys} == {200}
        assert subscriber.show()["used"]["api_keys"] == 7
        is_problem(key_owner.rotate(keys[0]), 402, "quota-exceeded")
        for key in keys[:3]:
            assert key_owner.revoke(key).status_code == 204
        assert key_owner.post().status_code == 201

    def test_room_of_the_larger_plan(self, key_owner: KeyOwner, subscriber: Subscriber) -> None:
        subscriber.set_plan("pro")
        for _ in range(20):
            key_owner.create()
        assert is_problem(key_owner.post(), 402, "quota-exceeded")["limit"] == 20
