"""GET /auth/me, GET /api/me: who am I."""

import pytest

from tests.conftest import Deliver
from tests.support.clerk import Instance, clerk_id, session_data, user_data
from tests.support.database import Sql
from tests.support.server import Server


@pytest.mark.parametrize("path", ["/auth/me", "/api/me"])
class TestMe:
    def test_anonymous(self, server: Server, path: str) -> None:
        answer = server.get(path)
        assert answer.status_code == 401
        assert answer.json()["code"] == "session-token-missing"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert answer.headers["Content-Type"] == "application/problem+json"

    def test_shows_the_user_of_the_webhook(
        self, server: Server, clerk: Instance, deliver: Deliver, sql: Sql, path: str
    ) -> None:
        user_id = clerk_id("user")
        deliver("user.created", user_data(user_id, email="ada@example.com", first_name="Ada"))
        answer = server.get(path, clerk.token(sub=user_id, sid="sess_1"))
        assert answer.status_code == 200
        body = answer.json()
        assert body["user"]["user_id"] == sql.user(user_id)["user_id"]
        assert (body["user"]["email"], body["user"]["first_name"]) == ("ada@example.com", "Ada")
        assert body["subscription"]["plan"] == "free"
        assert (body["usage"]["tokens_remaining"], body["usage"]["tokens_limit"]) == (10_000, 10_000)
        assert body["session"] == {
            "kind": "clerk",
            "session_id": "sess_1",
            "actor": None,
            "organization": None,
            "scopes": None,
        }

    def test_session_that_ended_is_refused_at_once(
        self, server: Server, clerk: Instance, deliver: Deliver, path: str
    ) -> None:
        token = clerk.token(sub="user_1", sid="sess_1")
        assert server.get(path, token).status_code == 200
        deliver("session.ended", session_data("user_1", "sess_1", status="ended"))
        assert server.get(path, token).json()["code"] == "session-revoked"
