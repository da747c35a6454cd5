"""The first request of a user, when Clerk's Backend API may be asked who that is."""

import time
from collections.abc import Iterator

import pytest

from tests.conftest import Deliver
from tests.session_tokens.key_servers import drip_head
from tests.support.caller import is_problem
from tests.support.clerk import Instance, session_data, user_data
from tests.support.clerk_api import SECRET_KEY, Answer, ApiServer, Handler, answer_with, hang_up
from tests.support.database import Sql
from tests.support.fixtures import StartServer
from tests.support.server import Server


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """Clerk's Backend API. A test says what it answers; it notes who asked."""
    with ApiServer() as running:
        yield running


@pytest.fixture(scope="module")
def asking(start_server: StartServer, api: ApiServer) -> Iterator[Server]:
    """A server that may ask."""
    with start_server(CLERK_SECRET_KEY=SECRET_KEY, CLERK_API_URL=api.url) as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(api: ApiServer) -> None:
    api.asked.clear()


def hang(_handler: Handler) -> None:
    time.sleep(6)


def drip(handler: Handler) -> None:
    """One byte at a time, each sooner than any timeout of a socket."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(60):
        handler.wfile.write(b" ")
        time.sleep(0.1)


TEXTS: tuple[object, ...] = (b"<html>", b"", [], b"[" * 100_000, b" " * 300_000)
USELESS = (
    answer_with({"errors": [{"code": "resource_not_found"}]}, 404),
    *(answer_with({}, status) for status in (500, 200)),
    answer_with({"id": "user_1"}, 302),
    *(answer_with(text) for text in TEXTS),
    answer_with(b'{"id": "user_1", "updated_at": 1, "first_name": "\\u0000"}'),
    answer_with(user_data("user_of_somebody_else", first_name="Eve")),
    hang_up,
    answer_with({}, 429),  # the last one: Clerk is not asked again for a while
)


class TestCompletion:
    def test_fills_the_user_in(self, asking: Server, clerk: Instance, api: ApiServer, sql: Sql) -> None:
        profile = user_data("user_1", updated_at=5_000, first_name="Ada", email="ada@example.com")
        api.answer = answer_with(profile)
        token = clerk.token(sub="user_1")
        body = asking.get("/auth/me", token).json()
        assert (body["user"]["first_name"], body["user"]["email"]) == ("Ada", "ada@example.com")
        assert asking.get("/auth/me", token).status_code == 200
        (asked,) = api.asked
        assert (asked.path, asked.headers["Authorization"]) == ("/v1/users/user_1", f"Bearer {SECRET_KEY}")
        user = sql.user("user_1")
        assert (user["provisioned_by"], user["email_verified"]) == ("request", True)
        assert user["clerk_updated_at"].timestamp() == 5

    def test_banned_at_clerk(self, asking: Server, clerk: Instance, api: ApiServer, sql: Sql) -> None:
        api.answer = answer_with(user_data("user_1", banned=True))
        is_problem(asking.get("/auth/me", clerk.token(sub="user_1")), 403, "user-banned")
        assert sql.user("user_1")["banned"]

    def test_known_user_is_not_asked_for(
        self, asking: Server, clerk: Instance, api: ApiServer, deliver: Deliver, sql: Sql
    ) -> None:
        deliver("user.created", user_data("user_1", first_name="Ada"))
        deliver("session.ended", session_data("user_2", "sess_2", actor={"sub": "user_admin"}))
        assert asking.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        assert asking.get("/auth/me", clerk.token(sub="user_2", sid="sess_2")).status_code == 401
        assert api.asked == []
        assert sql.value("SELECT count(*) FROM users") == 1

    @pytest.mark.parametrize("answer", [hang, drip, drip_head])
    def test_slow_answer(self, asking: Server, clerk: Instance, api: ApiServer, sql: Sql, answer: Answer) -> None:
        """Nobody waits longer than 3 s for a courtesy."""
        api.answer = answer
        start = time.monotonic()
        assert asking.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        assert time.monotonic() - start < 4
        assert sql.user("user_1")["first_name"] is None

    def test_key_is_not_logged(self, asking: Server, clerk: Instance, api: ApiServer, sql: Sql) -> None:
        api.answer = answer_with({}, 401)
        assert asking.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        log = asking.log.read_text()
        assert "user_1 was not completed" in log
        assert SECRET_KEY not in log
        assert sql.value("SELECT count(*) FROM users") == 1

    def test_useless_answer(self, asking: Server, clerk: Instance, api: ApiServer, sql: Sql) -> None:
        for answer in USELESS:
            sql.empty_all()
            api.asked.clear()
            api.answer = answer
            assert asking.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
            # A kept connection may have been closed before it was used: that is tried once more.
            assert len(api.asked) == (2 if answer is hang_up else 1)
            row = sql.row("SELECT clerk_user_id, first_name, clerk_updated_at FROM users")
            assert row == {"clerk_user_id": "user_1", "first_name": None, "clerk_updated_at": None}
            assert sql.value("SELECT count(*) FROM subscriptions") == 1
