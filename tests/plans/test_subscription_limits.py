"""What a change of plan does to the token limit, and to those who have more than the new plan allows."""

import pytest

from backend.models.choices import Plan
from backend.services.plans.catalogue import PLANS
from tests.conftest import Deliver
from tests.support.api_keys import KeyOwner
from tests.support.billing import EVENTS, item, listing, payer
from tests.support.caller import is_problem
from tests.support.database import Sql
from tests.support.subscribers import ADA, NEXT_MONTH, Subscriber

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
    def test_given_by_hand_before_a_smaller_plan(
        self, sql: Sql, subscriber: Subscriber, by_hand: int
    ) -> None:
        subscriber.set_plan("pro")
        sql.rows(GIVE_LIMIT, by_hand, subscriber.user_id)
        subscriber.set_plan("free")
        assert subscriber.show()["limits"]["tokens_a_month"] == by_hand

    def test_bought(self, sql: Sql, subscriber: Subscriber, deliver: Deliver) -> None:
        """A little that was given once is no reason to withhold what was paid for."""
        sql.rows(GIVE_LIMIT, 20_000, subscriber.user_id)
        deliver("subscription.created", listing(item("pro"), payer=payer(ADA)))
        assert subscriber.show()["limits"]["tokens_a_month"] == 250_000

    def test_next_month(self, sql: Sql, subscriber: Subscriber) -> None:
        subscriber.set_plan("pro")
        sql.rows(NEXT_MONTH)
        assert subscriber.show()["limits"]["tokens_a_month"] == 250_000
        limits = "SELECT tokens_limit FROM usage_metrics WHERE user_id = %s"
        assert sql.rows(limits, subscriber.user_id) == [{"tokens_limit": 250_000}] * 2

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

    def test_tokens(self, sql: Sql, subscriber: Subscriber) -> None:
        subscriber.set_plan("pro")
        sql.rows("UPDATE usage_metrics SET tokens_used = 20000 WHERE user_id = %s", subscriber.user_id)
        subscriber.set_plan("free")
        body = subscriber.show()
        assert (body["used"]["tokens"], body["limits"]["tokens_a_month"]) == (20_000, 10_000)

    def test_room_of_the_larger_plan(self, key_owner: KeyOwner, subscriber: Subscriber) -> None:
        subscriber.set_plan("pro")
        for _ in range(20):
            key_owner.create()
        assert is_problem(key_owner.post(), 402, "quota-exceeded")["limit"] == 20
