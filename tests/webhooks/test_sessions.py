"""POST /api/webhooks: what the events of a session do to its user and to its tokens."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import Deliver
from tests.support.caller import is_problem
from tests.support.clerk import Instance, clerk_id, session_data, user_data
from tests.support.database import Sql
from tests.support.server import Server


def instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


class TestSessionCreated:
    def test_sets_the_last_login(self, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1"))
        for at, status, newest in ((2_000, "applied", 2_000), (1_000, "stale", 2_000), (3_000, "applied", 3_000)):
            answer = deliver("session.created", session_data("user_1", clerk_id("sess"), created_at=at))
            assert answer.json() == {"status": status}
            assert sql.user("user_1")["last_login_at"] == instant(newest)

    @pytest.mark.parametrize("known", [True, False])
    def test_impersonation_is_no_login(self, deliver: Deliver, sql: Sql, known: bool) -> None:
        if known:
            deliver("user.created", user_data("user_1"))
        data = session_data("user_1", "sess_1", actor={"sub": "user_admin"})
        assert deliver("session.created", data).json() == {"status": "ignored"}
        assert sql.rows("SELECT last_login_at FROM users") == [{"last_login_at": None}] * known

    def test_before_its_user(self, deliver: Deliver, sql: Sql) -> None:
        login = session_data("user_1", "sess_1", created_at=5_000)
        assert deliver("session.created", login).json() == {"status": "applied"}
        assert sql.user("user_1")["last_login_at"] == instant(5_000)
        for table in ("subscriptions", "usage_metrics"):
            assert sql.value(f"SELECT count(*) FROM {table}") == 1
        deliver("user.created", user_data("user_1", first_name="Ada"))
        user = sql.user("user_1")
        assert (user["first_name"], user["last_login_at"]) == ("Ada", instant(5_000))

    def test_brings_its_user_along(self, deliver: Deliver, sql: Sql) -> None:
        copy = user_data("user_1", updated_at=4_000, first_name="Ada")
        deliver("session.created", session_data("user_1", "sess_1", user=copy))
        user = sql.user("user_1")
        assert (user["first_name"], user["clerk_updated_at"]) == ("Ada", instant(4_000))
        older = user_data("user_1", updated_at=3_000, first_name="Old")
        deliver("session.created", session_data("user_1", "sess_2", user=older))
        assert sql.user("user_1")["first_name"] == "Ada"

    def test_copy_of_somebody_else(self, deliver: Deliver, sql: Sql) -> None:
        copy = user_data("user_2", first_name="Bob")
        deliver("session.created", session_data("user_1", "sess_1", user=copy))
        own = {"clerk_user_id": "user_1", "first_name": None}
        assert sql.row("SELECT clerk_user_id, first_name FROM users") == own


@pytest.mark.parametrize("kind", ["session.ended", "session.removed", "session.revoked"])
class TestSessionOver:
    def test_revokes_at_once_and_sets_the_last_logout(
        self, server: Server, clerk: Instance, deliver: Deliver, sql: Sql, kind: str
    ) -> None:
        deliver("user.created", user_data("user_1"))
        token, other = clerk.token(sub="user_1", sid="sess_1"), clerk.token(sub="user_1", sid="sess_2")
        assert server.get("/auth/me", token).status_code == 200
        data = session_data("user_1", "sess_1", updated_at=7_000, expire_at=9_000)
        assert deliver(kind, data).json() == {"status": "applied"}
        is_problem(server.get("/auth/me", token), 401, "session-revoked")
        assert server.get("/auth/me", other).status_code == 200
        assert sql.user("user_1")["last_logout_at"] == instant(7_000)
        revoked = sql.row("SELECT session_id, expires_at FROM revoked_sessions")
        assert revoked == {"session_id": "sess_1", "expires_at": instant(9_000)}

    def test_again_is_stale(self, deliver: Deliver, sql: Sql, kind: str) -> None:
        data = session_data("user_1", "sess_1", updated_at=7_000)
        assert deliver(kind, data).json() == {"status": "applied"}
        assert deliver(kind, data).json() == {"status": "stale"}
        deliver(kind, session_data("user_1", "sess_2", updated_at=6_000))
        assert sql.user("user_1")["last_logout_at"] == instant(7_000)
        assert sql.value("SELECT count(*) FROM revoked_sessions") == 2

    def test_impersonation_is_revoked_and_no_logout(self, deliver: Deliver, sql: Sql, kind: str) -> None:
        deliver("user.created", user_data("user_1"))
        data: dict[str, Any] = session_data("user_1", "sess_1", actor={"sub": "user_admin"})
        assert deliver(kind, data).json() == {"status": "applied"}
        assert sql.user("user_1")["last_logout_at"] is None
        assert sql.value("SELECT session_id FROM revoked_sessions") == "sess_1"

    def test_without_an_end_of_its_life(self, deliver: Deliver, sql: Sql, kind: str) -> None:
        deliver(kind, session_data("user_1", "sess_1", expire_at=None))
        left = sql.value("SELECT expires_at - now() FROM revoked_sessions")
        assert 6.9 < left.total_seconds() / 86_400 < 7.1
