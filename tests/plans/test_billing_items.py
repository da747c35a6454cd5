"""POST /api/webhooks with the items of Clerk Billing, subscriptionItem.*: the plan follows."""

from typing import Any

import pytest

from tests.conftest import Deliver
from tests.support.billing import (
    BILLED,
    FUTURE,
    PAST,
    SUBSCRIPTION,
    USER,
    alone,
    item,
    listing,
    plan,
    status,
)
from tests.support.clerk import user_data
from tests.support.database import Sql


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
            ("updated", {"status": "expired"}, ("free", "active")),
            ("abandoned", {"status": "abandoned"}, ("free", "active")),
            ("incomplete", {"status": "incomplete"}, ("free", "active")),
            ("upcoming", {"status": "upcoming"}, ("free", "active")),
            ("upcoming", {"status": "upcoming", "plan": None}, ("free", "active")),
        ],
    )
    def test_each_kind(
        self, deliver: Deliver, sql: Sql, kind: str, changes: dict[str, Any], expected: tuple[str, str]
    ) -> None:
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
        self,
        deliver: Deliver,
        sql: Sql,
        words: list[dict[str, Any]],
        expected: tuple[str, str],
        *,
        is_reversed: bool,
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
