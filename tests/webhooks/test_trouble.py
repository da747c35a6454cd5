"""POST /api/webhooks: when the trouble is ours. 503 until the event is committed, and nothing is lost or half done."""

from collections.abc import Iterator

import pytest

from tests.conftest import Deliver
from tests.support.clerk import user_data
from tests.support.database import Sql, locked


class TestDatabaseTrouble:
    @pytest.mark.parametrize("table", ["usage_metrics", "webhook_events"])
    def test_locked_table(self, deliver: Deliver, sql: Sql, database_url: str, table: str) -> None:
        """Locked before the work and in the middle of it: nothing stays of the attempt, and the next one applies."""
        data = user_data("user_1", first_name="Ada")
        with locked(database_url, table):
            answer = deliver("user.created", data, event_id="msg_1")
            assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert sql.value("SELECT count(*) FROM users") == 0
        assert sql.value("SELECT count(*) FROM webhook_events") == 0
        assert deliver("user.created", data, event_id="msg_1").json() == {"status": "applied"}
        assert sql.row("SELECT status, attempts FROM webhook_events") == {"status": "applied", "attempts": 1}
        assert sql.value("SELECT count(*) FROM usage_metrics") == 1


class TestOurFault:
    """What no rule foresees, here a constraint that only this test knows, is taken for a bug of ours."""

    @pytest.fixture
    def broken(self, sql: Sql) -> Iterator[Sql]:
        sql.rows("ALTER TABLE users ADD CONSTRAINT ck_test CHECK (first_name <> 'Ada')")
        yield sql
        sql.rows("ALTER TABLE users DROP CONSTRAINT IF EXISTS ck_test")

    def test_is_kept_and_taken_up_again(self, deliver: Deliver, broken: Sql) -> None:
        data = user_data("user_1", first_name="Ada")
        for attempt in (1, 2):
            answer = deliver("user.created", data, event_id="msg_1")
            assert (answer.status_code, answer.json()["code"]) == (503, "webhook-failed")
            assert "Retry-After" in answer.headers
            ledger = broken.row(
                "SELECT status, attempts, error, subject_id, type, payload FROM webhook_events"
            )
            assert '"Ada"' in ledger.pop("payload")
            assert [*ledger.values()] == ["failed", attempt, "IntegrityError", "user_1", "user.created"]
        broken.rows("ALTER TABLE users DROP CONSTRAINT ck_test")
        assert deliver("user.created", data, event_id="msg_1").json() == {"status": "applied"}
        ledger = broken.row("SELECT status, attempts, error, payload FROM webhook_events")
        assert [*ledger.values()] == ["applied", 3, None, None]
        assert broken.user("user_1")["first_name"] == "Ada"

    def test_is_not_repeated_for_ever(self, deliver: Deliver, broken: Sql) -> None:
        """Svix tries eight times, and switches an endpoint off that fails for days: the last attempt is told 200."""
        data = user_data("user_1", first_name="Ada")
        statuses = [deliver("user.created", data, event_id="msg_1").status_code for _ in range(9)]
        assert statuses == [503] * 7 + [200] * 2
        ledger = broken.row("SELECT status, attempts, payload FROM webhook_events")
        assert (ledger["status"], ledger["attempts"]) == ("dead", 9)
        assert '"Ada"' in ledger["payload"]

    def test_does_not_hold_up_the_others(self, deliver: Deliver, broken: Sql) -> None:
        deliver("user.created", user_data("user_1", first_name="Ada"))
        assert deliver("user.created", user_data("user_2", first_name="Bob")).json() == {"status": "applied"}
        assert [row["clerk_user_id"] for row in broken.rows("SELECT * FROM users")] == ["user_2"]

    def test_payload_goes_with_its_user(self, deliver: Deliver, broken: Sql) -> None:
        deliver("user.created", user_data("user_1", first_name="Ada"))
        deliver("user.deleted", {"id": "user_1", "deleted": True})
        assert broken.value("SELECT count(payload) FROM webhook_events") == 0
