"""Clerk's own example payloads, one of each type, signed and delivered."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.clerk import Instance
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.traffic import post_body

Examples = dict[str, dict[str, Any]]

# What makes a user when it comes to an empty database.
OF_USERS = {
    *("user.created", "user.updated", "user.deleted"),
    *("session.created", "session.ended", "session.removed", "session.revoked"),
    *(f"subscriptionItem.{verb}" for verb in ("upcoming", "incomplete", "abandoned", "ended")),
}
# What leaves a line in the ledger, and nothing else.
NOTED = {"email.created", "sms.created", "paymentAttempt.created", "paymentAttempt.updated", "session.pending"}


@pytest.fixture(scope="module")
def examples(shared_data: Path) -> Examples:
    found: Examples = json.loads((shared_data / "clerk-webhook-examples.json").read_text())
    return found


class TestExamples:
    def test_each_on_an_empty_database(self, server: Server, clerk: Instance, sql: Sql, examples: Examples) -> None:
        statuses: dict[str, str] = {}
        for kind, payload in examples.items():
            sql.empty_all()
            answer = post_body(server, clerk, json.dumps(payload).encode())
            assert answer.status_code == 200, kind
            statuses[kind] = answer.json()["status"]
            ledger = sql.row("SELECT type, status, payload IS NOT NULL, attempts, source FROM webhook_events")
            is_kept = statuses[kind] == "dead" or kind in NOTED - {"email.created", "sms.created"}
            assert [*ledger.values()] == [kind, statuses[kind], is_kept, 1, "svix"]
            assert sql.value("SELECT count(*) FROM users") == (kind in OF_USERS)
        assert len(statuses) == 45
        assert {kind for kind, status in statuses.items() if status == "ignored"} == NOTED
        # Those of Billing that grant a user a plan, another application's.
        dead = {kind for kind in statuses if kind.startswith("subscription")} - OF_USERS
        assert {kind for kind, status in statuses.items() if status == "dead"} == dead
        assert set(statuses.values()) == {"applied", "ignored", "dead"}

    def test_all_in_a_row(self, server: Server, clerk: Instance, sql: Sql, examples: Examples) -> None:
        """Most are about one user, deleted among them: a tombstone stays, whatever the order was."""
        for payload in examples.values():
            assert post_body(server, clerk, json.dumps(payload).encode()).status_code == 200
        user = sql.user(examples["user.deleted"]["data"]["id"])
        assert user["deleted_at"] is not None
        assert user["first_name"] is None
        assert sql.value("SELECT count(*) FROM webhook_events") == 45
        assert sql.value("SELECT session_id FROM revoked_sessions") == examples["session.ended"]["data"]["id"]

    def test_profile_of_the_example(self, server: Server, clerk: Instance, sql: Sql, examples: Examples) -> None:
        """The list of addresses is empty although a primary one is named, and the envelope's time is in seconds.

        It also tells of a change five minutes after its own time, as no event can.
        """
        example = examples["user.updated"]
        assert post_body(server, clerk, json.dumps(example).encode()).json() == {"status": "applied"}
        user, data = sql.user(example["data"]["id"]), example["data"]
        assert (user["email"], user["email_verified"]) == (None, False)
        assert (user["first_name"], user["last_name"]) == (data["first_name"], data["last_name"])
        assert user["image_url"] == data["image_url"]
        occurred_at = sql.value("SELECT occurred_at FROM webhook_events")
        assert occurred_at.timestamp() == example["timestamp"]
        assert user["clerk_updated_at"] == occurred_at
