"""PATCH /api/me: what users change of their own profile, and nothing else (SECURITY A-02)."""

from threading import Thread
from typing import Any

import psycopg2
import pytest
import requests

from tests.account.test_provisioning import BLOCKED
from tests.conftest import Deliver
from tests.support.admins import add_user
from tests.support.api_keys import KeyOwner, at, is_problem
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql
from tests.support.server import Server
from tests.support.waiting import wait_for

ROW = "SELECT * FROM users WHERE clerk_user_id = 'user_1'"
LINKS = {"github": "https://github.com/ada", "mastodon": "https://mastodon.social/@ada"}
FULL = {"bio": "First line\nsecond line", "website": "https://example.com/~ada?x=1#me", "social_links": LINKS}


@pytest.fixture(autouse=True)
def ada(sql: Sql) -> int:
    return add_user(sql, clerk_user_id="user_1", email="ada@example.com", bio="old", updated_at="2020-01-01Z")


@pytest.fixture
def token(clerk: Instance) -> str:
    return clerk.token(sub="user_1")


def patch(server: Server, token: str | None, body: object, **options: Any) -> requests.Response:
    return server.request("PATCH", "/api/me", token, json=body, **options)


class TestChange:
    def test_anonymous(self, server: Server, sql: Sql) -> None:
        before = sql.row(ROW)
        is_problem(patch(server, None, FULL), 401, "session-token-missing")
        assert sql.row(ROW) == before

    @pytest.mark.parametrize("scopes", [["profile:read"], ["campaigns:write", "tokens:spend"]])
    def test_key_without_the_scope(
        self, server: Server, clerk: Instance, sql: Sql, scopes: list[str]
    ) -> None:
        key = KeyOwner(server, clerk).create(scopes=scopes)["key"]
        before = sql.row(ROW)
        answer = patch(server, None, FULL, headers={"X-API-Key": key})
        is_problem(answer, 403, "insufficient-scope")
        assert sql.row(ROW) == before

    def test_key(self, server: Server, clerk: Instance, sql: Sql) -> None:
        """A key that may write the profile may not read it, but for the answer to what it wrote."""
        key = KeyOwner(server, clerk).create(scopes=["profile:write"])["key"]
        answer = patch(server, None, {"bio": "new"}, headers={"X-API-Key": key})
        assert (answer.status_code, answer.json()["user"]["bio"]) == (200, "new")
        assert sql.row(ROW)["bio"] == "new"
        is_problem(server.get("/api/me", headers={"X-API-Key": key}), 403, "insufficient-scope")

    def test_impersonated(self, server: Server, clerk: Instance, sql: Sql) -> None:
        before = sql.row(ROW)
        answer = patch(server, clerk.token(sub="user_1", act={"sub": "user_support"}), FULL)
        is_problem(answer, 403, "forbidden")
        assert sql.row(ROW) == before

    def test_nowhere_else(self, server: Server, token: str) -> None:
        is_problem(server.request("PATCH", "/auth/me", token, json=FULL), 405, "method-not-allowed")

    def test_all_of_it(self, server: Server, sql: Sql, token: str) -> None:
        before = sql.row(ROW)
        answer = patch(server, token, FULL)
        assert answer.status_code == 200
        after = sql.row(ROW)
        assert after["updated_at"] > before["updated_at"]
        assert after == before | FULL | {"updated_at": after["updated_at"]}
        shown = answer.json()["user"]
        assert {name: shown[name] for name in FULL} == FULL
        assert at(shown["updated_at"]) == after["updated_at"]

    def test_answers_what_get_answers(self, server: Server, token: str) -> None:
        changed = patch(server, token, FULL)
        read = server.get("/api/me", token)
        # `api_requests` is counted behind the back of both.
        bodies = [answer.json() | {"usage": None} for answer in (changed, read)]
        assert bodies[0] == bodies[1]
        assert changed.headers["Content-Type"] == read.headers["Content-Type"]

    @pytest.mark.parametrize("name", FULL)
    def test_one_leaves_the_others(self, server: Server, sql: Sql, token: str, name: str) -> None:
        before = sql.row(ROW)
        assert patch(server, token, {name: FULL[name]}).status_code == 200
        after = sql.row(ROW)
        assert after == before | {name: FULL[name], "updated_at": after["updated_at"]}

    @pytest.mark.parametrize(("name", "empty"), [("bio", None), ("website", None), ("social_links", {})])
    def test_null_clears(self, server: Server, sql: Sql, token: str, name: str, empty: object) -> None:
        patch(server, token, FULL)
        assert patch(server, token, {name: None}).json()["user"][name] == empty
        after = sql.row(ROW)
        assert {member: after[member] for member in FULL} == FULL | {name: empty}

    def test_links_are_replaced_as_a_whole(self, server: Server, sql: Sql, token: str) -> None:
        patch(server, token, FULL)
        patch(server, token, {"social_links": {"x": "https://x.com/ada"}})
        assert sql.row(ROW)["social_links"] == {"x": "https://x.com/ada"}
        patch(server, token, {"social_links": {}})
        assert sql.row(ROW)["social_links"] == {}

    @pytest.mark.parametrize(
        "body", [FULL, {"bio": FULL["bio"]}, {"social_links": dict(reversed(LINKS.items()))}]
    )
    def test_nothing_new(self, server: Server, sql: Sql, token: str, body: dict[str, Any]) -> None:
        patch(server, token, FULL)
        before = sql.row(ROW)
        answer = patch(server, token, body)
        assert at(answer.json()["user"]["updated_at"]) == before["updated_at"]
        assert sql.row(ROW) == before

    def test_a_profile_of_clerk_leaves_it(
        self, server: Server, deliver: Deliver, sql: Sql, token: str
    ) -> None:
        patch(server, token, FULL)
        deliver("user.updated", user_data("user_1", first_name="Ada"))
        after = sql.row(ROW)
        assert {name: after[name] for name in ("first_name", *FULL)} == FULL | {"first_name": "Ada"}

    def test_at_the_same_moment(self, server: Server, sql: Sql, token: str, database_url: str) -> None:
        """Another change is not committed yet: it is waited for, and not undone."""
        connection = psycopg2.connect(database_url)
        connection.cursor().execute("UPDATE users SET bio = 'another'")

        def commit() -> None:
            wait_for(lambda: sql.rows(BLOCKED))
            connection.commit()
            connection.close()

        other = Thread(target=commit)
        other.start()
        answer = patch(server, token, {"website": FULL["website"]})
        other.join()
        assert (answer.json()["user"]["bio"], sql.row(ROW)["bio"]) == ("another", "another")


class TestMassAssignment:
    """A member that is Clerk's or ours changes nothing, nor does its company."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("user_id", 2), ("id", 2), ("clerk_user_id", "user_2"), ("external_id", "2")),
            *(("email", "eve@example.com"), ("email_verified", True), ("username", "eve")),
            *(("first_name", "Eve"), ("last_name", "Eve"), ("image_url", "https://evil.example")),
            *(
                ("role", "admin"),
                ("plan", "enterprise"),
                ("is_active", True),
                ("banned", False),
                ("locked", False),
            ),
            *(("created_at", "2020-01-01T00:00:00Z"), ("updated_at", None), ("deleted_at", None)),
            *(("tokens_limit", 10**9), ("quota", 1), ("usage", {}), ("subscription", {"plan": "pro"})),
            *(("Bio", "new"), ("user", {"bio": "new"}), ("", 1), ("__class__", 1)),
        ],
    )
    def test_refused(self, server: Server, sql: Sql, token: str, name: str, value: object) -> None:
        tables = "SELECT u.*, s.*, tokens_limit FROM users u JOIN subscriptions s USING (user_id) JOIN usage_metrics USING (user_id)"
        before = sql.rows(tables)
        for body in ({name: value}, {"bio": "new", name: value}):
            assert is_problem(patch(server, token, body), 422, "validation")["errors"]
        assert sql.rows(tables) == before

    @pytest.mark.parametrize(
        ("body", "kind", "status"),
        [
            (b'{"bio": "a", "bio": "b"}', "application/json", 400),
            (b'{"bio": "a"', "application/json", 400),
            (b'["bio"]', "application/json", 400),
            (b'{"bio": "\\ud800"}', "application/json", 400),
            (b'{"bio": "\xff"}', "application/json", 400),
            (b'{"bio": "a"}', "text/plain", 415),
            (b"bio=a", "application/x-www-form-urlencoded", 415),
            (b"", "application/json", 422),
        ],
    )
    def test_other_bodies(
        self, server: Server, sql: Sql, token: str, body: bytes, kind: str, status: int
    ) -> None:
        before = sql.row(ROW)
        answer = server.request("PATCH", "/api/me?bio=x", token, data=body, headers={"Content-Type": kind})
        assert answer.status_code == status
        assert sql.row(ROW) == before
