"""Somebody in a user's place (the `act` claim): shown, logged, noted once a session, and kept from what lasts."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.support.admins import add_user
from tests.support.caller import is_problem
from tests.support.clerk import Instance, clerk_id, session_data
from tests.support.clerk_api import SECRET_KEY, ApiServer, Handler, answer_with
from tests.support.database import Sql
from tests.support.fixtures import StartServer
from tests.support.rows import all_rows, changed_tables
from tests.support.server import Server, running_server
from tests.support.traffic import get_me, in_parallel

USER, SUPPORT = "user_1", "user_support"
MARK = f"actor={SUPPORT}"


@pytest.fixture(scope="module")
def clerk_api() -> Iterator[ApiServer]:
    """Clerk's API, where every session is USER's."""

    def answer(handler: Handler) -> None:
        answer_with(session_data(USER, handler.path.split("/")[3]))(handler)

    with ApiServer(answer) as running:
        yield running


@pytest.fixture(scope="module")
def start(settings: dict[str, str], clerk_api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> StartServer:
    own = settings | {"CLERK_API_URL": clerk_api.url, "CLERK_SECRET_KEY": SECRET_KEY}
    return partial(running_server, tmp_path_factory.mktemp("impersonation"), own)


@pytest.fixture(scope="module")
def workers(start: StartServer) -> Iterator[Server]:
    """Two workers: neither knows what the other has noted."""
    with start(workers=2) as running:
        yield running


Impersonate = Callable[..., str]


@pytest.fixture
def impersonate(clerk: Instance, sql: Sql) -> Impersonate:
    """A token of somebody in the place of a complete user: `impersonate(sid="sess_2")`.

    The session is a new one for each test: the workers remember those they have noted.
    """
    add_user(sql, clerk_user_id=USER)
    session = clerk_id("sess")
    return lambda **claims: clerk.token(**{"sub": USER, "sid": session, "act": {"sub": SUPPORT}} | claims)


def noted(sql: Sql) -> list[dict[str, Any]]:
    return sql.rows("SELECT * FROM audit_events WHERE action = 'session.impersonated' ORDER BY audit_id")


def log_lines(server: Server, request_id: str) -> list[str]:
    lines = server.log.read_text().splitlines()
    return [line for line in lines if request_id in line and MARK in line]


def test_shown_to_the_frontend(workers: Server, impersonate: Impersonate, sql: Sql) -> None:
    answer = workers.get("/auth/me", impersonate(act=...))
    assert answer.json()["session"]["actor"] is None
    for quiet in (answer, workers.get("/healthz", impersonate())):  # a public route has nobody
        assert log_lines(workers, quiet.headers["X-Request-ID"]) == []
        assert noted(sql) == []
    assert workers.get("/auth/me", impersonate()).json()["session"]["actor"] == SUPPORT


class TestLog:
    def test_a_line_for_each_request(self, workers: Server, impersonate: Impersonate, sql: Sql) -> None:
        """Also for those that the policy refuses, and one only where a view asks twice who calls."""
        token, user_id = impersonate(), sql.user(USER)["user_id"]
        for path in ("/auth/me", "/protected", "/api/keys", "/api/sessions/revoke"):
            answer = workers.request("POST" if "revoke" in path else "GET", path, token)
            (line,) = log_lines(workers, answer.headers["X-Request-ID"])
            assert f" user_id={user_id} " in line


class TestAudit:
    def test_what_it_says(self, workers: Server, impersonate: Impersonate, sql: Sql) -> None:
        answer = workers.get("/auth/me", impersonate())
        (row,) = noted(sql)
        user_id = sql.user(USER)["user_id"]
        session = answer.json()["session"]["session_id"]
        who = {"source": "api", "actor_user_id": user_id, "impersonator": SUPPORT, "subject_user_id": user_id}
        what = {"action": "session.impersonated", "request_id": answer.headers["X-Request-ID"]}
        told = {name: row[name] for name in row.keys() - {"audit_id", "occurred_at"}}
        assert told == who | what | {"details": {"session_id": session}}

    def test_once_for_parallel_requests(self, workers: Server, impersonate: Impersonate, sql: Sql) -> None:
        jobs = [partial(get_me, workers, impersonate(jti=str(number))) for number in range(24)]
        assert {answer.status_code for answer in in_parallel(jobs)} == {200}
        assert len(noted(sql)) == 1

    def test_once_for_a_user_who_is_new_here(self, workers: Server, clerk: Instance, sql: Sql) -> None:
        token = clerk.token(sub="user_new", act={"sub": SUPPORT})
        answers = in_parallel([lambda: get_me(workers, token)] * 12)
        assert {answer.status_code for answer in answers} == {200}
        (row,) = noted(sql)
        assert row["subject_user_id"] == sql.user("user_new")["user_id"]

    def test_once_across_a_restart(
        self, workers: Server, impersonate: Impersonate, sql: Sql, start: StartServer
    ) -> None:
        workers.get("/auth/me", impersonate())
        before = noted(sql)
        with start() as restarted:
            answer = restarted.get("/auth/me", impersonate())
            assert answer.status_code == 200
            assert len(log_lines(restarted, answer.headers["X-Request-ID"])) == 1
        assert noted(sql) == before

    def test_each_session(self, workers: Server, impersonate: Impersonate, sql: Sql) -> None:
        first, second, third = (clerk_id("sess") for _ in range(3))
        for session in (first, second, first, third):
            workers.get("/auth/me", impersonate(sid=session))
        assert [row["details"]["session_id"] for row in noted(sql)] == [first, second, third]

    def test_each_user_without_a_session(self, workers: Server, clerk: Instance, sql: Sql) -> None:
        """Clerk's session tokens name theirs, but nothing here demands it."""
        actor = clerk_id("user")
        for user in ("user_1", "user_2"):
            token = clerk.token(sub=user, sid=..., act={"sub": actor})
            assert workers.get("/auth/me", token).status_code == 200
        assert len(noted(sql)) == 2

    def test_nothing_is_done_without_the_entry(self, workers: Server, impersonate: Impersonate, sql: Sql) -> None:
        token = impersonate()
        sql.rows("ALTER TABLE audit_events RENAME TO away")
        try:
            is_problem(workers.get("/auth/me", token), 503, "database-unavailable")
            assert workers.get("/auth/me", impersonate(act=...)).status_code == 200
        finally:
            sql.rows("ALTER TABLE away RENAME TO audit_events")
        assert workers.get("/auth/me", token).status_code == 200
        assert len(noted(sql)) == 1

    @pytest.mark.parametrize("state", ["banned = true", "is_active = false"])
    def test_of_a_user_who_may_not_come_in(
        self, workers: Server, impersonate: Impersonate, sql: Sql, state: str
    ) -> None:
        """The attempt is told of."""
        sql.rows(f"UPDATE users SET {state}")
        assert workers.get("/auth/me", impersonate()).status_code == 403
        assert len(noted(sql)) == 1


BARRED: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
    ("GET", "/api/keys", None),
    ("POST", "/api/keys", {"name": "laptop", "scopes": ["profile:read"]}),
    ("GET", "/api/keys/1", None),
    ("POST", "/api/keys/1/rotate", {}),
    ("DELETE", "/api/keys/1", None),
    ("GET", "/api/users", None),
    ("GET", "/api/users/1", None),
    ("PATCH", "/api/users/1", {"role": "user"}),
    ("POST", "/api/users/1/ban", {}),
    ("POST", "/api/users/1/unban", {}),
)


def test_barred_also_as_an_admin(workers: Server, impersonate: Impersonate, sql: Sql) -> None:
    sql.rows("UPDATE users SET role = 'admin'")
    made = workers.request("POST", "/api/keys", impersonate(act=...), json=BARRED[1][2])
    assert made.status_code == 201
    before = all_rows(sql)
    for method, path, body in BARRED:
        is_problem(workers.request(method, path, impersonate(), json=body), 403, "forbidden")
    after = all_rows(sql)
    assert changed_tables(before, after) == {"audit_events"}
    assert [row["action"] for row in after["audit_events"]] == ["api_key.created", "session.impersonated"]


class TestChanges:
    """POST /api/sessions/revoke is open to whoever impersonates: ending the session is how he leaves."""

    def test_are_told_of_with_who_did_it(self, workers: Server, impersonate: Impersonate, sql: Sql) -> None:
        """Those of the user name nobody else."""
        user_id = sql.user(USER)["user_id"]
        for token, impersonator in ((impersonate(sid=clerk_id("sess")), SUPPORT), (impersonate(act=...), None)):
            answer = workers.request("POST", "/api/sessions/revoke", token)
            assert answer.status_code == 204, answer.text
            row = sql.row(
                "SELECT * FROM audit_events WHERE action = 'session.revoked' AND request_id = %s",
                answer.headers["X-Request-ID"],
            )
            who = (row["actor_user_id"], row["impersonator"], row["subject_user_id"])
            assert who == (user_id, impersonator, user_id)
        assert len(noted(sql)) == 1

    def test_end_the_impersonation(self, workers: Server, impersonate: Impersonate) -> None:
        token = impersonate()
        assert workers.request("POST", "/api/sessions/revoke", token).status_code == 204
        for answer in in_parallel([lambda: get_me(workers, token)] * 6):
            is_problem(answer, 401, "session-revoked")
