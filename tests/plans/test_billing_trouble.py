"""Events of Clerk Billing that cannot be applied as they are, and Clerk's own examples."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from backend.models.choices import Plan
from backend.services.clerk import billing
from backend.services.plans.catalogue import CLERK_SLUGS
from tests.conftest import Deliver
from tests.support.billing import USER, alone, item, listing, payer, plan, status
from tests.support.clerk import Instance
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.server import Server


class TestUnknownPlan:
    """A slug that is none of ours, of an item that grants something."""

    def test_present_plan_stays(self, deliver: Deliver, sql: Sql, server: Server) -> None:
        deliver("subscription.created", listing(item("pro")))
        before = sql.rows("SELECT * FROM clerk_billing")
        data = listing(item("platinum\nplus", 2, id="csub_item_2"), at=2)
        assert status(deliver("subscription.updated", data)) == "dead"
        assert status(deliver("subscriptionItem.active", alone("gold", 2))) == "dead"
        assert plan(sql) == ("pro", "active")
        assert sql.rows("SELECT * FROM clerk_billing") == before
        log = server.log.read_text()
        assert "'platinum\\nplus'" in log
        assert "CLERK_SLUGS" in log

    def test_nobody_is_made_for_it(self, deliver: Deliver, sql: Sql) -> None:
        assert status(deliver("subscription.created", listing(item("gold")))) == "dead"
        assert sql.rows("SELECT * FROM users") == []

    def test_is_kept_until_the_slug_is_ours(
        self,
        settings: dict[str, str],
        deliver: Deliver,
        clerk: Instance,
        sql: Sql,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        data = listing(item("gold"))
        assert status(deliver("subscription.created", data, event_id="msg_1")) == "dead"
        row = sql.row("SELECT status, subject_id, payload FROM webhook_events")
        assert (row["status"], row["subject_id"], json.loads(row["payload"])["data"]) == ("dead", USER, data)
        monkeypatch.setattr(billing, "CLERK_SLUGS", {**CLERK_SLUGS, "gold": Plan.PRO})  # a new release
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
                assert (
                    status(deliver("subscription.updated", listing(gone, item("pro", 2), at=2))) == "applied"
                )
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
    ("subscriptionItem.active", alone(updated_at=None)),
    ("subscriptionItem.active", []),
]


def test_unreadable_is_kept_for_a_fix(deliver: Deliver, sql: Sql) -> None:
    for kind, data in UNREADABLE:
        sql.empty_all()
        assert status(deliver(kind, data)) == "dead", data
        assert sql.rows("SELECT * FROM users") == []
        assert sql.value("SELECT error FROM webhook_events").startswith("data.")
