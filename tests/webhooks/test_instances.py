"""POST /api/webhooks: an event of another Clerk instance is kept and changes nothing."""

import pytest

from tests.conftest import Deliver
from tests.support.caller import is_problem
from tests.support.clerk import Instance, KeyServer, clerk_id, event, user_data
from tests.support.database import Sql
from tests.support.fixtures import StartApp
from tests.support.server import Server

FOREIGN = clerk_id("ins")


def send(server: Server, clerk: Instance, user_id: str, **envelope: object) -> str:
    body = event("user.created", user_data(user_id), **envelope)
    answer = server.request("POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])


@pytest.fixture
def naming(start_app: StartApp, clerk: Instance, sql: Sql) -> Server:  # noqa: ARG001 - the tables are to be empty
    """Its settings name the instance."""
    return start_app(CLERK_INSTANCE_ID=clerk.kid)


class TestSetting:
    def test_foreign_event(self, naming: Server, clerk: Instance, sql: Sql) -> None:
        for number, foreign in enumerate((FOREIGN, clerk.kid.upper(), f"{clerk.kid} ", 5, [clerk.kid], {"a": 1})):
            assert send(naming, clerk, f"user_{number}", instance_id=foreign) == "dead", foreign
            ledger = sql.row("SELECT * FROM webhook_events ORDER BY received_at DESC LIMIT 1")
            assert (ledger["type"], ledger["subject_id"]) == ("user.created", f"user_{number}")
            assert "instance" in ledger["error"]
            assert ledger["payload"] is not None
        assert sql.value("SELECT count(*) FROM users") == 0

    def test_foreign_delete(self, naming: Server, clerk: Instance, sql: Sql, deliver: Deliver) -> None:
        deliver("user.created", user_data("user_1"))
        body = event("user.deleted", {"id": "user_1", "deleted": True}, instance_id=FOREIGN)
        answer = naming.request("POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body))
        assert answer.json() == {"status": "dead"}
        assert sql.user("user_1")["deleted_at"] is None

    @pytest.mark.parametrize("none", [{}, {"instance_id": None}, {"instance_id": ""}])
    def test_event_that_names_none(self, naming: Server, clerk: Instance, none: dict[str, object]) -> None:
        assert send(naming, clerk, "user_1", **none) == "applied"

    def test_own_event(self, naming: Server, clerk: Instance) -> None:
        assert send(naming, clerk, "user_1", instance_id=clerk.kid) == "applied"

    def test_sent_again_after_the_setting_was_put_right(
        self, start_app: StartApp, naming: Server, clerk: Instance, sql: Sql
    ) -> None:
        body = event("user.created", user_data("user_1"), instance_id=clerk.kid)
        headers = clerk.webhook_headers(body)
        for server, status in ((start_app(CLERK_INSTANCE_ID=FOREIGN), "dead"), (naming, "applied")):
            assert server.request("POST", "/api/webhooks", data=body, headers=headers).json() == {"status": status}
        assert sql.value("SELECT count(*) FROM users") == 1


class TestKeySet:
    def test_learned_from_the_keys_that_are_there(self, start_app: StartApp, clerk: Instance, sql: Sql) -> None:
        """The webhook never fetches them: until somebody signs in, the instance is unknown."""
        sql.empty_all()
        with KeyServer(clerk.jwk) as keys:
            server = start_app(CLERK_JWT_KEY="", CLERK_JWKS_URL=keys.url)
            assert send(server, clerk, "user_1", instance_id=FOREIGN) == "applied"
            assert keys.requests == []
            assert server.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
            assert send(server, clerk, "user_2", instance_id=FOREIGN) == "dead"
            assert send(server, clerk, "user_3", instance_id=clerk.kid) == "applied"
            assert len(keys.requests) == 1

    def test_setting_counts_before_key_ids(self, start_app: StartApp, clerk: Instance, sql: Sql) -> None:
        sql.empty_all()
        with KeyServer(clerk.jwk) as keys:
            server = start_app(CLERK_JWT_KEY="", CLERK_JWKS_URL=keys.url, CLERK_INSTANCE_ID=FOREIGN)
            is_problem(server.get("/auth/me", clerk.token(sub="user_1", exp=1)), 401, "token-expired")
            assert send(server, clerk, "user_1", instance_id=FOREIGN) == "applied"
            assert send(server, clerk, "user_2", instance_id=clerk.kid) == "dead"

    def test_key_ids_that_are_no_instance(self, start_app: StartApp, clerk: Instance, sql: Sql) -> None:
        sql.empty_all()
        with KeyServer({**clerk.jwk, "kid": "key-1"}) as keys:
            server = start_app(CLERK_JWT_KEY="", CLERK_JWKS_URL=keys.url)
            assert server.get("/auth/me", clerk.token(sub="user_1", headers={"kid": "key-1"})).status_code == 200
            assert send(server, clerk, "user_2", instance_id=FOREIGN) == "applied"


def test_without_a_setting_or_key_ids(server: Server, clerk: Instance, sql: Sql) -> None:
    """CLERK_JWT_KEY alone names no instance."""
    assert send(server, clerk, "user_1", instance_id=FOREIGN) == "applied"
    assert sql.value("SELECT count(*) FROM users") == 1
