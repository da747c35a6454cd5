"""GET and PATCH /api/users/<id>: one user, and what an admin may change."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.conftest import Deliver
from tests.support.admins import ADMIN, REFUSED, add_admin, add_user, credential, states
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.traffic import in_parallel

EVENTS = "SELECT action, source, actor_user_id, subject_user_id, details, request_id FROM audit_events ORDER BY audit_id"
UNKNOWN = [
    "999",
    "0",
    "-1",
    "1.0",
    "01",
    "9" * 18,
    "9" * 19,
    "9" * 40,
    "abc",
    "%00",
    "%D9%A1",
    "..%2F1",
    "1;",
    "1 ",
]


@pytest.fixture
def admin(sql: Sql) -> int:
    return add_admin(sql)


@pytest.fixture
def ada(sql: Sql, admin: int) -> int:  # noqa: ARG001 - the admin is the first user
    return add_user(sql, clerk_user_id="user_ada", email="ada@example.com")


def token(clerk: Instance) -> str:
    return clerk.token(sub=ADMIN)


class TestShow:
    @REFUSED
    def test_refused(
        self, server: Server, clerk: Instance, sql: Sql, ada: int, caller: str, outcome: tuple[int, str]
    ) -> None:
        answer = server.get(f"/api/users/{ada}", headers=credential(caller, server, clerk, sql))
        assert (answer.status_code, answer.json()["code"]) == outcome
        assert "ada@" not in answer.text

    def test_admin(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        sql.rows(
            "UPDATE users SET external_id = 'old-7', locked = true, social_links = '{\"x\": \"y\"}' WHERE user_id = 2"
        )
        answer = server.get(f"/api/users/{ada}", token(clerk))
        assert answer.status_code == 200
        body = answer.json()
        user, row = body["user"], sql.user("user_ada")
        plain = {name: value for name, value in user.items() if not name.endswith("_at")}
        assert plain == {name: row[name] for name in plain}
        assert {"user_id", "external_id", "provisioned_by", "is_active", "banned", "locked"} <= set(plain)
        assert {"deleted_at", "clerk_updated_at", "last_login_at", "last_logout_at"} <= set(user)
        assert body["subscription"]["plan"] == "free"
        assert (body["usage"]["tokens_limit"], body["usage"]["tokens_remaining"]) == (10_000, 10_000)
        assert (body["usable_api_keys"], body["events"]) == (0, [])

    def test_counts_usable_keys(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        for number, (ends, revoked) in enumerate(
            [("NULL", "NULL"), ("now() + interval '1 h'", "NULL"), ("now()", "NULL"), ("NULL", "now()")]
        ):
            sql.rows(
                "INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes, expires_at, revoked_at) "
                f"VALUES (%s, 'n', 'p', 'f', %s, '{{profile:read}}', {ends}, {revoked})",
                ada,
                str(number),
            )
        body = server.get(f"/api/users/{ada}", token(clerk)).json()
        assert body["usable_api_keys"] == 2
        assert "key_hash" not in str(body)

    def test_newest_twenty_events(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        sql.rows(
            "INSERT INTO audit_events (action, source, subject_user_id, details) "
            "SELECT 'test.' || n, 'cli', n % 2 + 1, '{\"n\": 1}' FROM generate_series(1, 50) n"
        )
        events = server.get(f"/api/users/{ada}", token(clerk)).json()["events"]
        assert [event["action"] for event in events] == [f"test.{number}" for number in range(49, 9, -2)]
        assert events[0]["details"] == {"n": 1}

    def test_user_who_has_not_come_yet(self, server: Server, clerk: Instance, sql: Sql, admin: int) -> None:
        """A legacy user: no Clerk id, no subscription. Looking makes neither."""
        legacy = sql.value("INSERT INTO users (provisioned_by) VALUES ('legacy') RETURNING user_id")
        body = server.get(f"/api/users/{legacy}", token(clerk)).json()
        assert (body["user"]["provisioned_by"], body["subscription"], body["usage"]) == ("legacy", None, None)
        assert sql.rows("SELECT user_id FROM subscriptions") == [{"user_id": admin}]

    def test_deleted_user(self, server: Server, clerk: Instance, deliver: Deliver, ada: int) -> None:
        deliver("user.deleted", {"id": "user_ada", "object": "user", "deleted": True})
        body = server.get(f"/api/users/{ada}", token(clerk)).json()
        assert body["user"]["deleted_at"] is not None
        assert (body["user"]["email"], body["subscription"]["status"]) == (None, "canceled")

    @pytest.mark.parametrize("user_id", UNKNOWN)
    @pytest.mark.parametrize(
        ("method", "action"), [("GET", ""), ("PATCH", ""), ("POST", "/ban"), ("POST", "/unban")]
    )
    def test_unknown(
        self, server: Server, clerk: Instance, sql: Sql, admin: int, user_id: str, method: str, action: str
    ) -> None:
        body = {"json": {"plan": "pro"}} if method == "PATCH" else {}
        answer = server.request(method, f"/api/users/{user_id}{action}", token(clerk), **body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
        assert sql.rows("SELECT user_id FROM users") == [{"user_id": admin}]


class TestChange:
    @REFUSED
    def test_refused(
        self, server: Server, clerk: Instance, sql: Sql, ada: int, caller: str, outcome: tuple[int, str]
    ) -> None:
        headers = credential(caller, server, clerk, sql)
        before = states(sql)
        for user_id in (ada, 1):
            answer = server.request("PATCH", f"/api/users/{user_id}", headers=headers, json={"role": "admin"})
            assert (answer.status_code, answer.json()["code"]) == outcome
        assert states(sql) == before

    @pytest.mark.parametrize(
        ("change", "event"),
        [
            ({"role": "admin"}, ("user.role_changed", {"from": "user", "to": "admin"})),
            ({"role": "developer"}, ("user.role_changed", {"from": "user", "to": "developer"})),
            ({"plan": "enterprise"}, ("user.plan_changed", {"from": "free", "to": "enterprise"})),
            ({"is_active": False}, ("user.deactivated", {})),
        ],
    )
    def test_admin(
        self,
        server: Server,
        clerk: Instance,
        sql: Sql,
        ada: int,
        change: dict[str, Any],
        event: tuple[str, dict[str, str]],
    ) -> None:
        answer = server.request(
            "PATCH", f"/api/users/{ada}", token(clerk), json=change, headers={"X-Request-ID": "seven"}
        )
        assert answer.status_code == 200
        body = answer.json()
        ((name, value),) = change.items()
        assert (body["subscription"] if name == "plan" else body["user"])[name] == value
        expected = {
            "action": event[0],
            "source": "api",
            "actor_user_id": 1,
            "subject_user_id": ada,
            "details": event[1],
            "request_id": "seven",
        }
        assert sql.rows(EVENTS) == [expected]
        assert [shown["action"] for shown in body["events"]] == [event[0]]
        # What is so already is no change.
        before = states(sql)
        assert server.request("PATCH", f"/api/users/{ada}", token(clerk), json=change).status_code == 200
        assert states(sql) == before

    def test_all_at_once_and_back(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        for change in (
            {"role": "developer", "plan": "pro", "is_active": False},
            {"role": "user", "plan": "pro", "is_active": True},
        ):
            assert server.request("PATCH", f"/api/users/{ada}", token(clerk), json=change).status_code == 200
        assert [row["action"] for row in sql.rows(EVENTS)] == [
            *("user.role_changed", "user.plan_changed", "user.deactivated"),
            *("user.role_changed", "user.activated"),
        ]

    def test_counts_from_the_next_request_on(self, server: Server, clerk: Instance, ada: int) -> None:
        theirs = clerk.token(sub="user_ada")
        path = f"/api/users/{ada}"
        assert server.get(path, theirs).status_code == 403
        server.request("PATCH", path, token(clerk), json={"role": "admin"})
        assert server.get(path, theirs).status_code == 200
        server.request("PATCH", path, token(clerk), json={"is_active": False})
        assert server.get(path, theirs).status_code == 403

    def test_without_a_subscription(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        """A legacy user gets one then."""
        sql.rows("DELETE FROM subscriptions WHERE user_id = %s", ada)
        answer = server.request("PATCH", f"/api/users/{ada}", token(clerk), json={"plan": "pro"})
        assert (answer.json()["subscription"]["plan"], answer.json()["usage"]["tokens_limit"]) == (
            "pro",
            250_000,
        )

    @pytest.mark.parametrize(
        "change", [{"role": "user"}, {"role": "developer", "plan": "pro"}, {"is_active": False}]
    )
    def test_own_access(
        self, server: Server, clerk: Instance, sql: Sql, admin: int, change: dict[str, Any]
    ) -> None:
        before = states(sql)
        answer = server.request("PATCH", f"/api/users/{admin}", token(clerk), json=change)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert states(sql) == before

    def test_own_other_members(self, server: Server, clerk: Instance, sql: Sql, admin: int) -> None:
        change = {"role": "admin", "is_active": True, "plan": "pro"}
        answer = server.request("PATCH", f"/api/users/{admin}", token(clerk), json=change)
        assert answer.status_code == 200
        assert [row["action"] for row in sql.rows(EVENTS)] == ["user.plan_changed"]

    def test_deleted_user(
        self, server: Server, clerk: Instance, sql: Sql, deliver: Deliver, ada: int
    ) -> None:
        deliver("user.deleted", {"id": "user_ada", "object": "user", "deleted": True})
        before = states(sql)
        answer = server.request("PATCH", f"/api/users/{ada}", token(clerk), json={"is_active": True})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert states(sql) == before

    def test_a_webhook_takes_nothing_back(
        self, server: Server, clerk: Instance, deliver: Deliver, ada: int
    ) -> None:
        change = {"role": "developer", "plan": "pro", "is_active": False}
        server.request("PATCH", f"/api/users/{ada}", token(clerk), json=change)
        deliver("user.updated", user_data("user_ada", first_name="Ada"))
        user = server.get(f"/api/users/{ada}", token(clerk)).json()
        assert (user["user"]["first_name"], user["user"]["role"], user["user"]["is_active"]) == (
            "Ada",
            "developer",
            False,
        )
        assert user["subscription"]["plan"] == "pro"

    def test_twenty_at_once(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        """Each change that counted has its row, from where the one before had ended."""

        def set_role(role: str) -> int:
            own = Server(server.url, server.process, server.log)  # a connection of its own
            answer = own.request("PATCH", f"/api/users/{ada}", token(clerk), json={"role": role})
            own.http.close()
            return answer.status_code

        roles = ["developer", "user", "admin", "user"] * 5
        assert in_parallel([lambda role=role: set_role(role) for role in roles]) == [200] * 20  # type: ignore[misc]
        moves = [row["details"] for row in sql.rows(EVENTS)]
        assert moves
        assert [move["from"] for move in moves] == ["user", *(move["to"] for move in moves[:-1])]
        assert sql.user("user_ada")["role"] == moves[-1]["to"]


class TestTwoAdmins:
    def test_who_demote_each_other_leave_one(
        self, server: Server, clerk: Instance, sql: Sql, admin: int
    ) -> None:
        """Whoever comes second is no admin any more when it is his turn."""
        other = add_user(sql, clerk_user_id="user_other", role="admin")
        for _ in range(5):
            sql.rows("UPDATE users SET role = 'admin'")
            calls = [(token(clerk), other), (clerk.token(sub="user_other"), admin)]
            with ThreadPoolExecutor(2) as pool:
                answers = pool.map(
                    lambda call: requests.patch(
                        f"{server.url}/api/users/{call[1]}",
                        json={"role": "user"},
                        headers={"Authorization": f"Bearer {call[0]}"},
                        timeout=10,
                    ),
                    calls,
                )
                assert sorted(answer.status_code for answer in answers) == [200, 403]
            assert sql.value("SELECT count(*) FROM users WHERE role = 'admin'") == 1
