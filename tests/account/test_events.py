"""GET /api/me/events: what Clerk's webhooks said of the caller, and what became of it."""

from typing import Any

import pytest

from tests.conftest import Deliver
from tests.support.admins import add_user
from tests.support.clerk import Instance, clerk_id, session_data, user_data
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.legacy_tokens import LEGACY_SECRET, sign
from tests.support.server import Server

PATH = "/api/me/events"
ADD_EVENTS = """
INSERT INTO webhook_events (event_id, source, type, subject_id, status, error, payload, received_at)
SELECT 'row_' || n, 'svix', 'user.updated', %s, %s, 'secret error', 'secret payload', now() + n * interval '1 minute'
FROM generate_series(1, %s) n
"""


def events(server: Server, token: str) -> list[dict[str, Any]]:
    answer = server.get(PATH, token)
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


class TestWho:
    def test_nobody_sees_another_users_events(
        self, server: Server, clerk: Instance, sql: Sql, deliver: Deliver
    ) -> None:
        deliver("user.created", user_data("user_1"), event_id="msg_1")
        deliver("user.created", user_data("user_2"), event_id="msg_2")
        deliver("session.created", session_data("user_2", "sess_2"), event_id="msg_3")
        sql.rows(ADD_EVENTS, None, "dead", 1)  # about nobody
        assert {one["event_id"] for one in events(server, clerk.token(sub="user_1"))} == {"msg_1"}
        assert {one["event_id"] for one in events(server, clerk.token(sub="user_2"))} == {"msg_2", "msg_3"}
        assert events(server, clerk.token(sub="user_3")) == []

    def test_legacy_user_whom_clerk_does_not_know(self, settings: dict[str, str], sql: Sql) -> None:
        sql.rows(ADD_EVENTS, None, "applied", 1)
        user_id = add_user(sql, clerk_user_id=None, provisioned_by="legacy")
        client = make_app(settings | {"LEGACY_JWT_SECRET": LEGACY_SECRET}).test_client()
        answer = client.get(PATH, headers={"Authorization": f"Bearer {sign(sub=str(user_id))}"})
        assert (answer.status_code, answer.get_json()) == (200, {"data": []})


class TestWhat:
    def test_user_and_session(self, server: Server, clerk: Instance, deliver: Deliver) -> None:
        user_id = clerk_id("user")
        deliver("user.created", user_data(user_id, updated_at=2_000), event_id="msg_1")
        deliver("user.updated", user_data(user_id, updated_at=1_000), event_id="msg_2")
        deliver("session.created", session_data(user_id, "sess_1"), event_id="msg_3")
        deliver("session.created", session_data(user_id, "sess_1"), event_id="msg_3")
        found = events(server, clerk.token(sub=user_id))
        assert [(one["event_id"], one["type"], one["status"]) for one in found] == [
            ("msg_3", "session.created", "applied"),
            ("msg_2", "user.updated", "stale"),
            ("msg_1", "user.created", "applied"),
        ]
        for one in found:
            assert set(one) == {"event_id", "type", "status", "occurred_at", "received_at", "processed_at"}
            assert one["occurred_at"] <= one["received_at"] < one["processed_at"], one
            assert one["received_at"].endswith("Z")

    @pytest.mark.parametrize("status", ["applied", "dead"])
    def test_the_newest_20_without_payload_and_error(
        self, server: Server, clerk: Instance, sql: Sql, status: str
    ) -> None:
        sql.rows(ADD_EVENTS, "user_1", status, 30)
        answer = server.get(PATH, clerk.token(sub="user_1"))
        assert [one["event_id"] for one in answer.json()["data"]] == [f"row_{n}" for n in range(30, 10, -1)]
        assert "secret" not in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
