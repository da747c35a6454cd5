"""The first request of a user whose webhook has not come: user, free subscription and usage, made once."""

import os
import signal
from collections.abc import Iterator
from functools import partial

import psycopg2
import pytest
import requests

from tests.conftest import Deliver
from tests.support.caller import is_problem
from tests.support.clerk import Instance, clerk_id, session_data, user_data
from tests.support.database import BLOCKED, Sql
from tests.support.fixtures import StartServer
from tests.support.server import Server
from tests.support.traffic import get_me, in_parallel, post_event
from tests.support.waiting import wait_for

COUNTS = """
SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM subscriptions) AS subscriptions,
       (SELECT count(*) FROM usage_metrics) AS usages
"""


def counts(sql: Sql) -> tuple[int, ...]:
    return tuple(sql.row(COUNTS).values())


class TestFirstRequest:
    @pytest.mark.parametrize("path", ["/auth/me", "/api/me"])
    def test_nobody(self, server: Server, sql: Sql, path: str) -> None:
        answer = server.get(path)
        is_problem(answer, 401, "session-token-missing")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert server.get(path, Instance().token(sub="user_1")).status_code == 401
        assert counts(sql) == (0, 0, 0)

    @pytest.mark.parametrize("path", ["/auth/me", "/api/me"])
    def test_makes_a_complete_user(self, server: Server, clerk: Instance, sql: Sql, path: str) -> None:
        answer = server.get(path, clerk.token(sub="user_1", sid="sess_1"))
        assert answer.status_code == 200
        body = answer.json()
        assert body["user"]["user_id"] == sql.user("user_1")["user_id"]
        assert (body["subscription"]["plan"], body["usage"]["tokens_remaining"]) == ("free", 10_000)
        told = {"kind": "clerk", "session_id": "sess_1", "actor": None, "organization": None, "scopes": None}
        assert body["session"] == told
        user = sql.user("user_1")
        assert (user["provisioned_by"], user["clerk_updated_at"], user["email"]) == ("request", None, None)
        assert counts(sql) == (1, 1, 1)

    def test_fifty_at_once(self, server: Server, clerk: Instance, sql: Sql) -> None:
        tokens = [clerk.token(sub="user_1") for _ in range(50)]
        answers = in_parallel([partial(get_me, server, token) for token in tokens])
        assert [answer.status_code for answer in answers] == [200] * 50
        assert {answer.json()["user"]["user_id"] for answer in answers} == {sql.user("user_1")["user_id"]}
        assert counts(sql) == (1, 1, 1)
        assert sql.user("user_1")["provisioned_by"] == "request"

    def test_racing_its_webhooks(self, server: Server, clerk: Instance, sql: Sql) -> None:
        """Forty users: the creation, an update and two requests of each, all of them at once."""
        users = [clerk_id("user") for _ in range(40)]

        def created(user: str) -> requests.Response:
            data = user_data(user, updated_at=1_000, first_name="Old")
            return post_event(server, clerk, "user.created", data)

        def updated(user: str) -> requests.Response:
            data = user_data(user, updated_at=2_000, first_name="New", email=f"{user}@example.com")
            return post_event(server, clerk, "user.updated", data)

        def asked(user: str) -> requests.Response:
            return get_me(server, clerk.token(sub=user))

        for some in (users[:10], users[10:20], users[20:30], users[30:]):
            jobs = [partial(job, user) for user in some for job in (asked, created, asked, updated)]
            assert {answer.status_code for answer in in_parallel(jobs)} == {200}
        rows = sql.rows("SELECT first_name, email = clerk_user_id || '@example.com' AS is_own FROM users")
        assert rows == [{"first_name": "New", "is_own": True}] * 40
        assert counts(sql) == (40, 40, 40)

    def test_webhook_afterwards_fills_it_in(self, server: Server, clerk: Instance, deliver: Deliver, sql: Sql) -> None:
        token = clerk.token(sub="user_1")
        user_id = server.get("/auth/me", token).json()["user"]["user_id"]
        deliver("user.created", user_data("user_1", first_name="Ada"))
        user = server.get("/auth/me", token).json()["user"]
        assert (user["user_id"], user["first_name"]) == (user_id, "Ada")
        assert sql.user("user_1")["provisioned_by"] == "request"
        assert counts(sql) == (1, 1, 1)

    def test_ended_session_makes_no_user(self, server: Server, clerk: Instance, deliver: Deliver, sql: Sql) -> None:
        # An impersonated session: its end revokes and does not make the user either.
        deliver("session.ended", session_data("user_1", "sess_1", actor={"sub": "user_admin"}))
        is_problem(server.get("/auth/me", clerk.token(sub="user_1", sid="sess_1")), 401, "session-revoked")
        assert counts(sql) == (0, 0, 0)

    def test_email_of_a_token_is_nobodys(self, server: Server, clerk: Instance, deliver: Deliver, sql: Sql) -> None:
        """A claim that anybody with a JWT template can shape selects no row and takes no address over."""
        deliver("user.created", user_data("user_1", email="ada@example.com"))
        sql.rows("INSERT INTO users (email, email_verified, provisioned_by) VALUES ('old@example.com', true, 'legacy')")
        before = sql.rows("SELECT * FROM users ORDER BY user_id")
        for number, email in enumerate(("ada@example.com", "old@example.com")):
            token = clerk.token(sub=f"user_evil_{number}", email=email, email_verified=True)
            user = server.get("/auth/me", token).json()["user"]
            assert user["email"] is None
            assert user["user_id"] not in [row["user_id"] for row in before]
        others = "SELECT * FROM users WHERE clerk_user_id IS NULL OR clerk_user_id = 'user_1' ORDER BY user_id"
        assert sql.rows(others) == before


class TestIncomplete:
    def test_missing_subscription(self, server: Server, clerk: Instance, deliver: Deliver, sql: Sql) -> None:
        deliver("user.created", user_data("user_1"))
        sql.rows("DELETE FROM subscriptions")
        assert server.get("/auth/me", clerk.token(sub="user_1")).json()["subscription"]["plan"] == "free"
        assert counts(sql) == (1, 1, 1)

    @pytest.mark.parametrize("table", ["subscriptions", "usage_metrics"])
    def test_ended_session(self, server: Server, clerk: Instance, deliver: Deliver, sql: Sql, table: str) -> None:
        """An incomplete user is refused by the state like any other, at once."""
        deliver("user.created", user_data("user_1"))
        deliver("session.ended", session_data("user_1", "sess_1"))
        sql.rows(f"DELETE FROM {table}")
        is_problem(server.get("/auth/me", clerk.token(sub="user_1", sid="sess_1"), timeout=5), 401, "session-revoked")


@pytest.fixture(scope="module")
def own(start_server: StartServer) -> Iterator[Server]:
    with start_server() as running:
        yield running


@pytest.mark.parametrize("how", ["backend", "worker"])
def test_killed_between_its_inserts(own: Server, clerk: Instance, sql: Sql, database_url: str, how: str) -> None:
    """The transaction ends between its inserts: all or nothing, and the next request completes."""
    token = clerk.token(sub="user_1")
    blocker = psycopg2.connect(database_url)
    blocker.cursor().execute("LOCK TABLE subscriptions IN SHARE MODE")

    def cut() -> None:
        wait_for(lambda: sql.rows(BLOCKED))
        (worker,) = own.worker_pids()
        if how == "worker":
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: own.worker_pids() not in ([worker], []))
        else:
            # Its retries too: they meet the same lock.
            for _ in range(3):
                wait_for(lambda: sql.rows(BLOCKED))
                (pid,) = (row["pid"] for row in sql.rows(BLOCKED))
                sql.rows("SELECT pg_terminate_backend(%s, 5000)", pid)
        assert counts(sql) == (0, 0, 0)
        blocker.close()

    def ask() -> int:
        try:
            return get_me(own, token).status_code
        except requests.ConnectionError:
            return 0

    status, _ = in_parallel([ask, cut])
    assert status == {"backend": 503, "worker": 0}[how]
    wait_for(lambda: not sql.rows(BLOCKED))
    assert counts(sql) == (0, 0, 0)
    wait_for(lambda: ask() == 200)
    assert counts(sql) == (1, 1, 1)
