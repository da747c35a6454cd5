"""Sessions asked of Clerk itself: GET /protected?session_id=…, POST /api/sessions/revoke. Clerk is the emulator."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import requests

from tests.emulator.harness import EmulatorProcess
from tests.support.caller import is_problem
from tests.support.clerk import Instance, clerk_id, session_data
from tests.support.clerk_api import SECRET_KEY, ApiServer, answer_with, refuse_with
from tests.support.database import Sql
from tests.support.fixtures import StartServer
from tests.support.server import Server


@pytest.fixture(scope="module")
def live(start_server: StartServer, emulator: EmulatorProcess) -> Iterator[Server]:
    with start_server(CLERK_API_URL=emulator.url, CLERK_SECRET_KEY=emulator.keys["CLERK_SECRET_KEY"]) as running:
        yield running


class Visitor(NamedTuple):
    """A user at Clerk with a session, and a token of it."""

    user: str
    session: str
    token: str


Visit = Callable[[], Visitor]


@pytest.fixture
def visit(emulator: EmulatorProcess, clerk: Instance, sql: Sql) -> Visit:  # noqa: ARG001 - the tables are to be empty

    def make() -> Visitor:
        user = emulator.create_user(f"{clerk_id('visitor')}@example.com")["id"]
        session = emulator.create_session(user)["id"]
        return Visitor(user, session, clerk.token(sub=user, sid=session))

    return make


@pytest.fixture
def visitor(visit: Visit) -> Visitor:
    return visit()


class TestProtected:
    def test_without_session_id_clerk_is_not_asked(self, server: Server, visitor: Visitor) -> None:
        """`server` has no secret key at all."""
        answer = server.get("/protected", visitor.token)
        assert (answer.status_code, answer.json()["session_id"]) == (200, None)

    def test_active(self, live: Server, visitor: Visitor) -> None:
        answer = live.get(f"/protected?session_id={visitor.session}", visitor.token)
        assert (answer.status_code, answer.json()["session_id"]) == (200, visitor.session)
        assert answer.json()["message"].startswith("Hello ")

    def test_any_other_is_as_one_that_never_was(self, live: Server, emulator: EmulatorProcess, visit: Visit) -> None:
        """Somebody else's, and one of the caller's that the token does not name."""
        me, other = visit(), visit()
        bodies = []
        mine = emulator.create_session(me.user)["id"]
        for session in (other.session, mine, clerk_id("sess"), "sess_x", "", "null", "../users", "sess_1%00"):
            answer = live.get(f"/protected?session_id={session}", me.token)
            is_problem(answer, 401, "session-revoked")
            bodies.append({**answer.json(), "request_id": ""})
        assert all(body == bodies[0] for body in bodies)
        assert live.get(f"/protected?session_id={other.session}", other.token).status_code == 200

    def test_ended_at_clerk_although_the_token_is_good(
        self, live: Server, emulator: EmulatorProcess, visitor: Visitor
    ) -> None:
        emulator.call("POST", f"/v1/sessions/{visitor.session}/revoke")
        assert live.get("/protected", visitor.token).status_code == 200
        is_problem(live.get(f"/protected?session_id={visitor.session}", visitor.token), 401, "session-revoked")

    def test_without_a_secret_key(self, server: Server, visitor: Visitor) -> None:
        answer = server.get(f"/protected?session_id={visitor.session}", visitor.token)
        assert "CLERK_SECRET_KEY" in is_problem(answer, 503, "clerk-unavailable")["detail"]

    def test_clerk_away_is_no_pass_and_no_sign_out(self, start_server: StartServer, visitor: Visitor) -> None:
        with ApiServer() as api, start_server(CLERK_API_URL=api.url, CLERK_SECRET_KEY=SECRET_KEY) as server:
            for status in (401, 403, 500, 503, 429):
                api.asked.clear()
                api.answer = refuse_with("some_trouble", status)
                answer = server.get(f"/protected?session_id={visitor.session}", visitor.token)
                is_problem(answer, 503, "clerk-unavailable")
                assert int(answer.headers["Retry-After"]) > 0
                assert api.asked, status


class TestAskingTooMuch:
    """Clerk counts our calls together: what one user spends, all others lack."""

    @pytest.fixture
    def clerk_api(self) -> Iterator[ApiServer]:
        with ApiServer() as running:
            yield running

    @pytest.fixture
    def asking(self, start_server: StartServer, clerk_api: ApiServer) -> Iterator[Server]:
        with start_server(CLERK_API_URL=clerk_api.url, CLERK_SECRET_KEY=SECRET_KEY) as running:
            yield running

    def test_by_invented_ids_and_by_ones_own(
        self, asking: Server, clerk_api: ApiServer, clerk: Instance, sql: Sql
    ) -> None:
        def check(user: str, session: str = "") -> requests.Response:
            token = clerk.token(sub=f"user_{user}", sid=f"sess_{user}")
            return asking.get(f"/protected?session_id={session or f'sess_{user}'}", token)

        clerk_api.answer = lambda handler: answer_with(
            session_data("user_ada" if "ada" in handler.path else "user_eve", handler.path.split("/")[3])
        )(handler)
        assert check("eve").status_code == 200
        clerk_api.asked.clear()
        for number in range(300):
            is_problem(check("eve", f"sess_{number}"), 401, "session-revoked")
        assert clerk_api.asked == []

        own = [check("eve") for _ in range(100)]
        refused = [answer for answer in own if answer.status_code != 200]
        assert len(clerk_api.asked) == 100 - len(refused) <= 50
        is_problem(refused[-1], 429, "rate-limited")
        assert refused[-1].headers["Retry-After"] == "1"
        # Neither another user nor another purpose waits for her.
        assert check("ada").status_code == 200
        assert {asked.path for asked in clerk_api.asked} == {
            *("/v1/sessions/sess_eve", "/v1/users/user_ada", "/v1/sessions/sess_ada")
        }
        token = clerk.token(sub="user_eve", sid="sess_eve")
        assert asking.request("POST", "/api/sessions/revoke", token).status_code == 204
        assert sql.value("SELECT count(*) FROM revoked_sessions") == 1


class TestRevoke:
    def test_get_does_nothing(self, live: Server, visitor: Visitor) -> None:
        is_problem(live.get("/api/sessions/revoke", visitor.token), 405, "method-not-allowed")
        assert live.get("/auth/me", visitor.token).status_code == 200

    def test_ends_it_at_clerk_and_here(
        self, live: Server, emulator: EmulatorProcess, sql: Sql, visitor: Visitor
    ) -> None:
        another = emulator.create_session(visitor.user)["id"]
        answer = live.request("POST", "/api/sessions/revoke", visitor.token)
        assert (answer.status_code, answer.content) == (204, b"")
        assert emulator.call("GET", f"/v1/sessions/{visitor.session}")["status"] == "revoked"
        assert emulator.call("GET", f"/v1/sessions/{another}")["status"] == "active"
        is_problem(live.get("/auth/me", visitor.token), 401, "session-revoked")
        user_id = sql.user(visitor.user)["user_id"]
        (noted,) = sql.rows("SELECT action, source, actor_user_id, subject_user_id FROM audit_events")
        assert tuple(noted.values()) == ("session.revoked", "api", user_id, user_id)

    def test_every_server_refuses_it_at_once(self, live: Server, server: Server, visitor: Visitor) -> None:
        live.request("POST", "/api/sessions/revoke", visitor.token)
        is_problem(server.get("/auth/me", visitor.token), 401, "session-revoked")

    def test_over_at_clerk_already(self, live: Server, emulator: EmulatorProcess, visitor: Visitor) -> None:
        """Its webhook did not come: it is ended here all the same."""
        emulator.call("POST", f"/v1/sessions/{visitor.session}/revoke")
        assert live.request("POST", "/api/sessions/revoke", visitor.token).status_code == 204
        is_problem(live.get("/auth/me", visitor.token), 401, "session-revoked")

    def test_a_token_of_no_session(self, live: Server, clerk: Instance, visitor: Visitor) -> None:
        token = clerk.token(sub=visitor.user, sid=...)
        is_problem(live.request("POST", "/api/sessions/revoke", token), 403, "forbidden")

    def test_clerk_away_changes_nothing_here(self, server: Server, sql: Sql, visitor: Visitor) -> None:
        """Or it could not be sent again: its own token would be refused."""
        refused = server.request("POST", "/api/sessions/revoke", visitor.token)
        is_problem(refused, 503, "clerk-unavailable")
        assert server.get("/auth/me", visitor.token).status_code == 200
        assert sql.value("SELECT count(*) FROM revoked_sessions") == 0
