"""GET and PATCH /api/users/<id>: one user, and what an admin may change."""

from functools import partial
from typing import Any

import pytest

from tests.conftest import Deliver
from tests.support.admins import ADMIN, REFUSED, Users, add_user, credential, states
from tests.support.caller import is_problem
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql
from tests.support.traffic import in_parallel

EVENTS = (
    "SELECT action, source, actor_user_id, subject_user_id, details, request_id FROM audit_events ORDER BY audit_id"
)
DELETED = {"id": "user_ada", "object": "user", "deleted": True}
CHANGES = (("PATCH", "", {"role": "admin"}), ("POST", "/ban", None), ("POST", "/unban", None))


@REFUSED
def test_refused(users: Users, clerk: Instance, sql: Sql, ada: int, caller: str, outcome: tuple[int, str]) -> None:
    """Nobody but an admin sees, lists or changes a user."""
    headers = credential(caller, users.server, clerk, sql)
    before = states(sql)
    for user_id in (ada, 1):
        for method, action, body in (("GET", "", None), *CHANGES):
            path = f"/api/users/{user_id}{action}"
            answer = users.server.request(method, path, headers=headers, json=body)
            is_problem(answer, *outcome)
            assert "ada@" not in answer.text
    answer = users.server.get("/api/users", headers=headers)
    is_problem(answer, *outcome)
    assert "ada@" not in answer.text
    assert states(sql) == before


class TestShow:
    def test_admin(self, users: Users, sql: Sql, ada: int) -> None:
        sql.rows(
            "UPDATE users SET external_id = 'old-7', locked = true, social_links = '{\"x\": \"y\"}' WHERE user_id = 2"
        )
        body = users.show(ada)
        user, row = body["user"], sql.user("user_ada")
        plain = {name: value for name, value in user.items() if not name.endswith("_at")}
        assert plain == {name: row[name] for name in plain}
        assert {"user_id", "external_id", "provisioned_by", "is_active", "banned", "locked"} <= set(plain)
        assert {"deleted_at", "clerk_updated_at", "last_login_at", "last_logout_at"} <= set(user)
        assert body["subscription"]["plan"] == "free"
        assert (body["usage"]["tokens_limit"], body["usage"]["tokens_remaining"]) == (10_000, 10_000)
        assert (body["usable_api_keys"], body["events"]) == (0, [])

    def test_counts_usable_keys(self, users: Users, sql: Sql, ada: int) -> None:
        for number, (ends, revoked) in enumerate(
            [("NULL", "NULL"), ("now() + interval '1 h'", "NULL"), ("now()", "NULL"), ("NULL", "now()")]
        ):
            sql.rows(
                "INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes, expires_at, revoked_at) "
                f"VALUES (%s, 'n', 'p', 'f', '{number}', '{{profile:read}}', {ends}, {revoked})",
                ada,
            )
        body = users.show(ada)
        assert body["usable_api_keys"] == 2
        assert "key_hash" not in str(body)

    def test_newest_twenty_events(self, users: Users, sql: Sql, ada: int) -> None:
        sql.rows(
            "INSERT INTO audit_events (action, source, subject_user_id, details) "
            "SELECT 'test.' || n, 'cli', n % 2 + 1, '{\"n\": 1}' FROM generate_series(1, 50) n"
        )
        events = users.show(ada)["events"]
        assert [event["action"] for event in events] == [f"test.{number}" for number in range(49, 9, -2)]
        assert events[0]["details"] == {"n": 1}

    def test_user_who_has_not_come_yet(self, users: Users, sql: Sql) -> None:
        """A legacy user: no Clerk id, no subscription. Looking makes neither."""
        body = users.show(sql.value("INSERT INTO users (provisioned_by) VALUES ('legacy') RETURNING user_id"))
        assert (body["user"]["provisioned_by"], body["subscription"], body["usage"]) == ("legacy", None, None)
        assert sql.rows("SELECT user_id FROM subscriptions") == [{"user_id": 1}]


class TestChange:
    @pytest.mark.parametrize(
        ("change", "action", "details"),
        [
            ({"role": "admin"}, "user.role_changed", {"from": "user", "to": "admin"}),
            ({"role": "developer"}, "user.role_changed", {"from": "user", "to": "developer"}),
            ({"plan": "enterprise"}, "user.plan_changed", {"from": "free", "to": "enterprise"}),
            ({"is_active": False}, "user.deactivated", {}),
        ],
    )
    def test_one(
        self, users: Users, sql: Sql, ada: int, change: dict[str, Any], action: str, details: dict[str, str]
    ) -> None:
        answer = users.call("PATCH", f"/{ada}", json=change, headers={"X-Request-ID": "seven"})
        assert answer.status_code == 200
        body = answer.json()
        ((name, value),) = change.items()
        assert (body["subscription"] if name == "plan" else body["user"])[name] == value
        told = {"source": "api", "actor_user_id": 1, "subject_user_id": ada, "request_id": "seven"}
        assert sql.rows(EVENTS) == [{"action": action, "details": details} | told]
        assert [shown["action"] for shown in body["events"]] == [action]
        # What is so already is no change.
        before = states(sql)
        assert users.patch(ada, **change).status_code == 200
        assert states(sql) == before

    def test_all_at_once_and_back(self, users: Users, sql: Sql, ada: int) -> None:
        assert users.patch(ada, role="developer", plan="pro", is_active=False).status_code == 200
        assert users.patch(ada, role="user", plan="pro", is_active=True).status_code == 200
        assert [row["action"] for row in sql.rows(EVENTS)] == [
            *("user.role_changed", "user.plan_changed", "user.deactivated"),
            *("user.role_changed", "user.activated"),
        ]

    def test_counts_from_the_next_request_on(self, users: Users, clerk: Instance, ada: int) -> None:
        theirs = clerk.token(sub="user_ada")
        statuses = [users.server.get(f"/api/users/{ada}", theirs).status_code]
        for change in ({"role": "admin"}, {"is_active": False}):
            users.patch(ada, **change)
            statuses.append(users.server.get(f"/api/users/{ada}", theirs).status_code)
        assert statuses == [403, 200, 403]

    def test_without_a_subscription(self, users: Users, sql: Sql, ada: int) -> None:
        """A legacy user gets one then."""
        sql.rows("DELETE FROM subscriptions WHERE user_id = %s", ada)
        body = users.patch(ada, plan="pro").json()
        assert (body["subscription"]["plan"], body["usage"]["tokens_limit"]) == ("pro", 250_000)

    def test_own_access(self, users: Users, sql: Sql) -> None:
        """An admin locks nobody out by taking away what they are; other members are theirs to change."""
        before = states(sql)
        for change in ({"role": "user"}, {"role": "developer", "plan": "pro"}, {"is_active": False}):
            is_problem(users.patch(1, **change), 409, "conflict")
            assert states(sql) == before
        assert users.patch(1, role="admin", is_active=True, plan="pro").status_code == 200
        assert [row["action"] for row in sql.rows(EVENTS)] == ["user.plan_changed"]

    def test_deleted_user(self, users: Users, sql: Sql, deliver: Deliver, ada: int) -> None:
        """Shown as what is left of them, and changed no more."""
        deliver("user.deleted", DELETED)
        before = states(sql)
        body = users.show(ada)
        assert body["user"]["deleted_at"] is not None
        assert (body["user"]["email"], body["subscription"]["status"]) == (None, "canceled")
        is_problem(users.patch(ada, is_active=True), 409, "conflict")
        assert states(sql) == before

    def test_a_webhook_takes_nothing_back(self, users: Users, deliver: Deliver, ada: int) -> None:
        users.patch(ada, role="developer", plan="pro", is_active=False)
        deliver("user.updated", user_data("user_ada", first_name="Ada"))
        body = users.show(ada)
        shown = [body["user"][name] for name in ("first_name", "role", "is_active")]
        assert (shown, body["subscription"]["plan"]) == (["Ada", "developer", False], "pro")

    def test_twenty_at_once(self, users: Users, sql: Sql, ada: int) -> None:
        """Each change that counted has its row, from where the one before had ended."""
        roles = ["developer", "user", "admin", "user"] * 5
        answers = in_parallel([partial(users.patch, ada, role=role) for role in roles])
        assert [answer.status_code for answer in answers] == [200] * 20
        moves = [row["details"] for row in sql.rows(EVENTS)]
        assert moves
        assert [move["from"] for move in moves] == ["user", *(move["to"] for move in moves[:-1])]
        assert sql.user("user_ada")["role"] == moves[-1]["to"]

    def test_two_admins_who_demote_each_other_leave_one(self, users: Users, clerk: Instance, sql: Sql) -> None:
        """Whoever comes second is no admin any more when their request is let through."""
        other_id = add_user(sql, clerk_user_id="user_other", role="admin")
        other = Users(users.server, clerk)
        other.sub = "user_other"
        for _ in range(5):
            sql.rows("UPDATE users SET role = 'admin'")
            answers = in_parallel([partial(users.patch, other_id, role="user"), partial(other.patch, 1, role="user")])
            assert sorted(answer.status_code for answer in answers) == [200, 403]
            assert sql.value("SELECT count(*) FROM users WHERE role = 'admin'") == 1


WRONG_MEMBERS: dict[str, Any] = (
    {"user_id": 1, "id": 1, "clerk_user_id": ADMIN, "email": "eve@example.com", "email_verified": True}
    | {"banned": False, "created_at": "2020-01-01", "deleted_at": None, "tokens_limit": 10**9, "quota": 1}
    | {"subscription": {"plan": "pro"}, "Role": "admin", "": 1}
)
WRONG: list[dict[str, Any]] = [
    *({"plan": "pro", name: value} for name, value in WRONG_MEMBERS.items()),
    *({"role": role} for role in (None, "root", ["admin"], 1, "ADMIN", "admin\x00")),
    *({"plan": plan} for plan in ("gold", True)),
    *({"role": "user", "is_active": value} for value in (None, "false", 0)),
    {"is_active": {}},
    {},
]


def test_mass_assignment(users: Users, sql: Sql, ada: int) -> None:
    """A member that is not offered changes nothing, nor does its company (SECURITY A-02)."""
    before = states(sql)
    for body in WRONG:
        assert is_problem(users.call("PATCH", f"/{ada}", json=body), 422, "validation")["errors"], body
        assert states(sql) == before, body
