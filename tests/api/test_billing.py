"""POST /api/webhooks with events of Clerk Billing: the plan follows."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.billing import BILLED, EVENTS, FUTURE, PAST, SUBSCRIPTION, USER, alone, item, listing, payer
from tests.api.traffic import in_parallel, post_event
from tests.conftest import Deliver
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql
from tests.support.server import Server

LIMIT = "SELECT tokens_limit FROM usage_metrics"


def status(answer: Any) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])


def plan(sql: Sql) -> tuple[str, str]:
    row = sql.row(BILLED)
    return row["plan"], row["status"]


@pytest.fixture
def shown(server: Server, clerk: Instance) -> Any:
    """What the user sees at GET /api/subscription."""

    def get() -> dict[str, Any]:
        answer = server.get("/api/subscription", clerk.token(sub=USER))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    return get


class TestSubscription:
    """subscription.*: the list of items."""

    def test_paid_plan(self, deliver: Deliver, sql: Sql, shown: Any) -> None:
        deliver("user.created", user_data(USER))
        data = listing(item("pro", period_end=FUTURE))
        assert status(deliver("subscription.active", data)) == "applied"
        body = shown()
        assert (body["plan"], body["status"], body["is_managed_by_clerk"]) == ("pro", "active", True)
        assert (body["limits"]["tokens_a_month"], body["limits"]["api_keys"]) == (250_000, 20)
        assert body["period_end"] is not None
        assert sql.row(BILLED)["clerk_subscription_id"] == SUBSCRIPTION
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
            ("past_due", "active", None, ("pro", "past_due")),
            ("canceled", "active", FUTURE, ("pro", "canceled")),
            ("active", "canceled", FUTURE, ("pro", "canceled")),
            ("active", "canceled", None, ("pro", "canceled")),
            ("active", "canceled", PAST, ("free", "canceled")),
            ("ended", "active", None, ("free", "active")),
            ("abandoned", "active", None, ("free", "active")),
            ("incomplete", "active", None, ("free", "active")),
            ("active", "ended", None, ("free", "active")),
            ("active", "abandoned", None, ("free", "active")),
            ("active", "incomplete", None, ("free", "active")),
            ("active", "upcoming", None, ("free", "active")),
        ],
        ids=range(14),  # FUTURE and PAST differ from one test process to the next
    )
    def test_statuses(
        self,
        deliver: Deliver,
        sql: Sql,
        shown: Any,
        outer: str,
        inner: str,
        end: int | None,
        expected: tuple[str, str],
    ) -> None:
        deliver("user.created", user_data(USER))
        deliver("subscription.created", listing(item("pro", 1)))
        data = listing(item("pro", 2, inner, period_end=end), at=2, status=outer)
        assert status(deliver("subscription.updated", data)) == "applied"
        assert plan(sql) == expected
        assert sql.value(LIMIT) == (250_000 if expected[0] == "pro" else 10_000)
        assert (shown()["plan"], shown()["status"]) == expected

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
        jobs = [lambda data=data: post_event(server, clerk, "subscription.updated", data) for data in words]
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
            ("abandoned", {"status": "abandoned"}, ("free", "active")),
            ("incomplete", {"status": "incomplete"}, ("free", "active")),
            ("upcoming", {"status": "upcoming"}, ("free", "active")),
        ],
    )
    def test_each_kind(
        self, deliver: Deliver, sql: Sql, kind: str, changes: dict[str, Any], expected: tuple[str, str]
    ) -> None:
        deliver("user.created", user_data(USER))
        deliver("subscription.created", listing(item("pro", 1)))
        assert status(deliver(f"subscriptionItem.{kind}", alone("pro", 2, **changes))) == "applied"
        assert plan(sql) == expected
        assert sql.row(BILLED)["clerk_subscription_id"] == SUBSCRIPTION
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


class TestUser:
    def test_not_here_yet(self, deliver: Deliver, sql: Sql, shown: Any) -> None:
        assert status(deliver("subscription.created", listing(item("pro")))) == "applied"
        deliver("user.created", user_data(USER, first_name="Ada"))
        assert sql.row("SELECT first_name, provisioned_by FROM users") == {
            "first_name": "Ada",
            "provisioned_by": "webhook",
        }
        assert (shown()["plan"], shown()["is_managed_by_clerk"]) == ("pro", True)

    @pytest.mark.parametrize("is_user_first", [True, False])
    @pytest.mark.parametrize("slug", ["free_user", "free"])
    def test_new_user_of_a_legacy_row(
        self, deliver: Deliver, sql: Sql, shown: Any, slug: str, *, is_user_first: bool
    ) -> None:
        """Clerk sends both when a user signs up: the link does not depend on which is faster."""
        legacy = sql.value("INSERT INTO users (provisioned_by) VALUES ('legacy') RETURNING user_id")
        sql.rows("INSERT INTO subscriptions (user_id, plan) VALUES (%s, 'pro')", legacy)
        events = [
            ("user.created", user_data(USER, external_id=str(legacy))),
            ("subscription.created", listing(item(slug))),
        ]
        for event in events if is_user_first else events[::-1]:
            assert status(deliver(*event)) == "applied"
        assert sql.row("SELECT user_id, clerk_user_id FROM users") == {
            "user_id": legacy,
            "clerk_user_id": USER,
        }
        assert (shown()["plan"], shown()["is_managed_by_clerk"]) == ("free", True)

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


class TestUnknownPlan:
    def test_present_plan_stays(self, deliver: Deliver, sql: Sql, server: Server) -> None:
        deliver("subscription.created", listing(item("pro")))
        before = sql.rows("SELECT * FROM clerk_billing")
        data = listing(item("platinum\nplus", 2, id="csub_item_2"), at=2)
        assert status(deliver("subscription.updated", data)) == "ignored"
        assert status(deliver("subscriptionItem.active", alone("gold", 2))) == "ignored"
        assert plan(sql) == ("pro", "active")
        assert sql.rows("SELECT * FROM clerk_billing") == before
        assert "'platinum\\nplus'" in server.log.read_text()

    def test_nobody_is_made_for_it(self, deliver: Deliver, sql: Sql) -> None:
        assert status(deliver("subscription.created", listing(item("gold")))) == "ignored"
        assert sql.rows("SELECT * FROM users") == []


class TestPublishedExamples:
    @pytest.fixture
    def examples(self, shared_data: Path) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((shared_data / "clerk-webhook-examples.json").read_text())
        return {kind: body for kind, body in read.items() if kind.startswith("subscription")}

    def test_slugs_of_another_application(self, deliver: Deliver, sql: Sql, examples: dict[str, Any]) -> None:
        assert len(examples) == 13
        for kind, body in examples.items():
            assert status(deliver(kind, body["data"])) == "ignored"
        assert sql.rows("SELECT * FROM users") == []

    @pytest.mark.parametrize("is_reversed", [False, True])
    def test_with_our_slugs(
        self, deliver: Deliver, sql: Sql, examples: dict[str, Any], *, is_reversed: bool
    ) -> None:
        """All are of one item: it ended last."""
        for kind, body in sorted(examples.items(), reverse=is_reversed):
            data = copy.deepcopy(body["data"])
            for entry in data.get("items", [data]):
                entry["plan"]["slug"] = "pro"
            assert status(deliver(kind, data)) in {"applied", "stale"}
        assert plan(sql) == ("free", "active")
        assert sql.value("SELECT clerk_user_id FROM users") == "user_34D368EufHwugfYh4yyGNEheM0S"


class TestUnreadable:
    @pytest.mark.parametrize(
        ("kind", "data"),
        [
            ("subscription.created", listing(payer=None)),
            ("subscription.created", listing(payer=payer(None))),
            ("subscription.created", listing(payer=payer("\x00"))),
            ("subscription.created", listing(id=None)),
            ("subscription.created", listing(status="new")),
            ("subscription.created", listing() | {"status": ["active"]}),
            ("subscription.created", listing(at=-1)),
            ("subscription.created", listing(items=None)),
            ("subscription.created", listing(items=["pro"])),
            ("subscription.created", listing(item("pro", 2**70))),
            ("subscription.created", listing(item("pro", plan=None))),
            ("subscription.created", listing(item("pro", plan={"slug": 1}))),
            ("subscription.created", listing(item("pro", id="a b"))),
            ("subscription.created", listing(item("pro", period_end="soon"))),
            ("subscriptionItem.active", alone(subscription_id=None)),
            ("subscriptionItem.active", alone(updated_at=None)),
            ("subscriptionItem.active", []),
        ],
    )
    def test_kept_for_a_fix(self, deliver: Deliver, sql: Sql, kind: str, data: Any) -> None:
        assert status(deliver(kind, data)) == "dead"
        assert sql.rows("SELECT * FROM users") == []
        assert sql.value("SELECT error FROM webhook_events").startswith("data.")
