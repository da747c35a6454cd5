"""POST /api/webhooks with the events of Clerk Billing: the plan follows."""

from functools import partial
from typing import Any

import pytest

from tests.conftest import Deliver
from tests.support.billing import BILLED, EVENTS, FUTURE, PAST, SUBSCRIPTION, USER, alone, item, listing, plan, status
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql
from tests.support.fixtures import Shown
from tests.support.server import Server
from tests.support.traffic import in_parallel, post_event

Plan = tuple[str, str]
OVER = ("ended", "abandoned", "incomplete", "expired")
LIMIT = "SELECT tokens_limit FROM usage_metrics"


class TestSubscription:
    """subscription.*: the list of items."""

    def test_paid_plan(self, deliver: Deliver, sql: Sql, shown: Shown) -> None:
        deliver("user.created", user_data(USER))
        data = listing(item("pro", period_end=FUTURE))
        assert status(deliver("subscription.active", data)) == "applied"
        body = shown()
        assert (body["plan"], body["status"], body["is_managed_by_clerk"]) == ("pro", "active", True)
        assert (body["limits"]["tokens_a_month"], body["limits"]["api_keys"]) == (250_000, 20)
        assert body["period_end"] is not None
        assert sql.row(BILLED)["clerk_subscription_id"] == SUBSCRIPTION
        times = sql.row(
            "SELECT extract(epoch FROM period_start), extract(epoch FROM period_end) AS e FROM subscriptions"
        )
        assert [value * 1000 for value in times.values()] == [1, FUTURE]
        changed = {"from": "free", "to": "pro"}
        assert sql.rows(EVENTS) == [{"action": "user.plan_changed", "source": "sync", "details": changed}]
        assert sql.value("SELECT subject_id FROM webhook_events WHERE type = 'subscription.active'") == USER

    @pytest.mark.parametrize("kind", ["created", "updated", "active", "pastDue"])
    def test_each_kind(self, deliver: Deliver, sql: Sql, kind: str) -> None:
        assert status(deliver(f"subscription.{kind}", listing(item("enterprise")))) == "applied"
        assert plan(sql) == ("enterprise", "active")

    @pytest.mark.parametrize(
        ("outer", "inner", "end", "expected"),
        [
            ("active", "active", None, ("pro", "active")),
            ("past_due", "past_due", None, ("pro", "past_due")),
            ("past_due", "active", None, ("pro", "active")),
            ("canceled", "active", FUTURE, ("pro", "active")),
            ("canceled", "active", PAST, ("pro", "active")),
            ("active", "past_due", None, ("pro", "past_due")),
            ("active", "canceled", FUTURE, ("pro", "canceled")),
            ("active", "canceled", None, ("pro", "canceled")),
            ("active", "canceled", PAST, ("free", "canceled")),
            *((over, "active", None, ("free", "active")) for over in OVER),
            *(("active", over, None, ("free", "active")) for over in (*OVER, "upcoming")),
        ],
        ids=range(18),  # FUTURE and PAST differ from one test process to the next
    )
    def test_statuses(
        self, deliver: Deliver, sql: Sql, shown: Shown, outer: str, inner: str, end: int | None, expected: Plan
    ) -> None:
        deliver("user.created", user_data(USER))
        deliver("subscription.created", listing(item("pro", 1)))
        data = listing(item("pro", 2, inner, period_end=end), at=2, status=outer)
        assert status(deliver("subscription.updated", data)) == "applied"
        assert plan(sql) == expected
        assert sql.value(LIMIT) == (250_000 if expected[0] == "pro" else 10_000)
        assert (shown()["plan"], shown()["status"]) == expected

    @pytest.mark.parametrize("word", ["past_due", "canceled", *OVER])
    def test_back_to_active(self, deliver: Deliver, sql: Sql, word: str) -> None:
        """The subscription's own status changes and changes back, and the item stays as it is."""
        listed = item("pro", 100, period_end=PAST)
        deliver("subscription.updated", listing(listed, at=100))
        assert status(deliver("subscription.updated", listing(listed, at=400, status=word))) == "applied"
        assert status(deliver("subscription.updated", listing(listed, at=500))) == "applied"
        assert plan(sql) == ("pro", "active")

    @pytest.mark.parametrize("word", ["past_due", "canceled"])
    def test_item_back_to_active(self, deliver: Deliver, sql: Sql, word: str) -> None:
        for at, is_told in ((100, "active"), (400, word), (500, "active")):
            data = listing(item("pro", at, is_told, period_end=FUTURE), at=at, status=is_told)
            assert status(deliver("subscription.updated", data)) == "applied"
            assert plan(sql) == ("pro", is_told)

    def test_item_event_that_is_older_than_the_list(self, deliver: Deliver, sql: Sql) -> None:
        """It is the newer word on the item, and the list says that the item is there."""
        deliver("subscription.updated", listing(item("pro", 3), at=10))
        data = alone("pro", 5, "canceled", period_end=FUTURE)
        assert status(deliver("subscriptionItem.canceled", data)) == "applied"
        assert plan(sql) == ("pro", "canceled")

    def test_item_that_is_no_longer_listed(self, deliver: Deliver, sql: Sql) -> None:
        deliver("subscription.created", listing(item("enterprise")))
        data = listing(item("pro", 2), at=2)
        assert status(deliver("subscription.updated", data)) == "applied"
        assert plan(sql) == ("pro", "active")
        assert status(deliver("subscriptionItem.active", alone("enterprise", 1))) == "stale"
        assert plan(sql) == ("pro", "active")

    def test_no_items(self, deliver: Deliver, sql: Sql) -> None:
        deliver("subscription.created", listing(item("pro")))
        assert status(deliver("subscription.updated", listing(at=2))) == "applied"
        assert plan(sql) == ("free", "active")

    def test_older_list(self, deliver: Deliver, sql: Sql) -> None:
        deliver("subscription.updated", listing(item("pro", 5), at=5))
        assert status(deliver("subscription.created", listing(item("free_user", 1), at=1))) == "stale"
        assert plan(sql) == ("pro", "active")

    def test_repeated(self, deliver: Deliver, sql: Sql) -> None:
        data = listing(item("pro"))
        assert status(deliver("subscription.created", data, event_id="msg_1")) == "applied"
        assert status(deliver("subscription.created", data, event_id="msg_1")) == "duplicate"
        assert status(deliver("subscription.active", data)) == "stale", "the same word under another name"
        assert len(sql.rows(EVENTS)) == 1

    def test_at_once(self, server: Server, clerk: Instance, sql: Sql) -> None:
        """Ten words of one subscription in parallel: the newest stands, of a user who was not there before."""
        words = [listing(item("pro" if at % 2 else "enterprise", at), at=at) for at in range(1, 11)]
        jobs = [partial(post_event, server, clerk, "subscription.updated", data) for data in words]
        assert {answer.status_code for answer in in_parallel(jobs)} == {200}
        assert plan(sql) == ("enterprise", "active")
        assert sql.value(LIMIT) == 5_000_000

    def test_stripe_customer_stays(self, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data(USER))
        sql.rows("UPDATE subscriptions SET stripe_customer_id = 'cus_1'")
        deliver("subscription.created", listing(item("pro")))
        deliver("subscription.updated", listing(item("pro", 2, "ended"), at=2, status="ended"))
        assert sql.row(BILLED)["stripe_customer_id"] == "cus_1"


class TestItem:
    """subscriptionItem.*: that an item was canceled or ended is told nowhere else."""

    @pytest.mark.parametrize(
        ("kind", "changes", "expected"),
        [
            ("updated", {"status": "active"}, ("pro", "active")),
            ("active", {"status": "active"}, ("pro", "active")),
            ("freeTrialEnding", {"status": "active", "is_free_trial": True}, ("pro", "active")),
            ("pastDue", {"status": "past_due"}, ("pro", "past_due")),
            ("canceled", {"status": "canceled", "period_end": FUTURE}, ("pro", "canceled")),
            ("canceled", {"status": "canceled", "period_end": PAST}, ("free", "canceled")),
            ("ended", {"status": "ended"}, ("free", "active")),
            ("ended", {"status": "ended", "plan": None}, ("free", "active")),
            ("ended", {"status": "ended", "plan": {"slug": "gold"}}, ("free", "active")),
            *(("updated", {"status": over}, ("free", "active")) for over in OVER),
            *((over, {"status": over}, ("free", "active")) for over in ("abandoned", "incomplete", "upcoming")),
            ("upcoming", {"status": "upcoming", "plan": None}, ("free", "active")),
        ],
    )
    def test_each_kind(self, deliver: Deliver, sql: Sql, kind: str, changes: dict[str, Any], expected: Plan) -> None:
        deliver("user.created", user_data(USER))
        deliver("subscription.created", listing(item("pro", 1)))
        assert status(deliver(f"subscriptionItem.{kind}", alone("pro", 2, **changes))) == "applied"
        assert plan(sql) == expected
        assert sql.row(BILLED)["clerk_subscription_id"] == (SUBSCRIPTION if expected[0] == "pro" else None)
        assert sql.value("SELECT subject_id FROM webhook_events ORDER BY received_at DESC LIMIT 1") == USER

    def test_deferred_downgrade(self, deliver: Deliver, sql: Sql) -> None:
        """The dear plan lasts until its period ends; then the cheap one begins."""
        deliver("subscriptionItem.active", alone("enterprise", 1))
        deliver("subscriptionItem.canceled", alone("enterprise", 2, "canceled", period_end=FUTURE))
        deliver("subscriptionItem.upcoming", alone("pro", 2, "upcoming"))
        assert plan(sql) == ("enterprise", "canceled")
        deliver("subscriptionItem.active", alone("pro", 3))
        deliver("subscriptionItem.ended", alone("enterprise", 3, "ended"))
        assert plan(sql) == ("pro", "active")

    @pytest.mark.parametrize("is_reversed", [False, True])
    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ([{"status": "active"}, {"status": "ended"}], ("free", "active")),
            ([{"status": "upcoming"}, {"status": "active"}], ("pro", "active")),
            ([{"period_end": PAST}, {"period_end": FUTURE}], ("pro", "canceled")),
            ([{"period_end": FUTURE}, {"period_end": None}], ("pro", "canceled")),
        ],
    )
    def test_two_words_of_one_millisecond(
        self, deliver: Deliver, sql: Sql, words: list[dict[str, Any]], expected: Plan, *, is_reversed: bool
    ) -> None:
        """The later stage counts, and the longer period, whichever came first."""
        for word in words[::-1] if is_reversed else words:
            deliver("subscriptionItem.updated", alone("pro", 1, **{"status": "canceled", **word}))
        assert plan(sql) == expected
        end = sql.row(BILLED)["period_end"]
        assert (end is None) == (words[1].get("period_end") is None)

    def test_canceled_one_does_not_hide_the_next(self, deliver: Deliver, sql: Sql) -> None:
        """Its end is past, and the event that says so has not come."""
        deliver("subscriptionItem.canceled", alone("enterprise", 2, "canceled", period_end=PAST))
        deliver("subscriptionItem.active", alone("pro", 3))
        assert plan(sql) == ("pro", "active")
