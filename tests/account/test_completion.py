"""The first request of a user, when Clerk's Backend API may be asked who that is."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from tests.conftest import Deliver
from tests.support.clerk import Instance, KeyServer, answer_json, session_data, user_data
from tests.support.database import Sql
from tests.support.server import Server, running_server

SECRET_KEY = "sk_test_of_the_backend_api"


@pytest.fixture(scope="module")
def api() -> Iterator[KeyServer]:
    """Clerk's Backend API. A test says what it answers; it notes who asked."""
    with KeyServer() as running:
        yield running


@pytest.fixture(scope="module")
def asking(
    settings: dict[str, str], api: KeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that may ask."""
    api_url = api.url.removesuffix("/.well-known/jwks.json")
    own = {**settings, "CLERK_SECRET_KEY": SECRET_KEY, "CLERK_API_URL": api_url}
    with running_server(tmp_path_factory.mktemp("asking"), own) as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(api: KeyServer) -> None:
    api.requests.clear()


def hang_up(_handler: BaseHTTPRequestHandler) -> None:
    """Nothing: the server closes the connection."""


def hang(_handler: BaseHTTPRequestHandler) -> None:
    time.sleep(6)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """One byte at a time, each sooner than any timeout of a socket."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(60):
        handler.wfile.write(b" ")
        time.sleep(0.1)


class TestCompletion:
    def test_fills_the_user_in(self, asking: Server, clerk: Instance, api: KeyServer, sql: Sql) -> None:
        profile = user_data("user_1", updated_at=5_000, first_name="Ada", email="ada@example.com")
        api.answer = answer_json(profile)
        token = clerk.token(sub="user_1")
        body = asking.get("/auth/me", token).json()
        assert (body["user"]["first_name"], body["user"]["email"]) == ("Ada", "ada@example.com")
        assert asking.get("/auth/me", token).status_code == 200
        (asked,) = api.requests
        assert (asked["path"], asked["Authorization"]) == ("/v1/users/user_1", f"Bearer {SECRET_KEY}")
        user = sql.user("user_1")
        assert (user["provisioned_by"], user["email_verified"]) == ("request", True)
        assert user["clerk_updated_at"].timestamp() == 5

    def test_banned_at_clerk(self, asking: Server, clerk: Instance, api: KeyServer, sql: Sql) -> None:
        api.answer = answer_json(user_data("user_1", banned=True))
        answer = asking.get("/auth/me", clerk.token(sub="user_1"))
        assert (answer.status_code, answer.json()["code"]) == (403, "user-banned")
        assert sql.user("user_1")["banned"]

    def test_known_user_is_not_asked_for(
        self, asking: Server, clerk: Instance, api: KeyServer, deliver: Deliver, sql: Sql
    ) -> None:
        deliver("user.created", user_data("user_1", first_name="Ada"))
        deliver("session.ended", session_data("user_2", "sess_2", actor={"sub": "user_admin"}))
        assert asking.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        assert asking.get("/auth/me", clerk.token(sub="user_2", sid="sess_2")).status_code == 401
        assert api.requests == []
        assert sql.value("SELECT count(*) FROM users") == 1

    @pytest.mark.parametrize(
        "answer",
        [
            answer_json({"errors": [{"code": "resource_not_found"}]}, 404),
            answer_json({}, 500),
            answer_json({}, 429),
            answer_json({"id": "user_1"}, 302),
            answer_json(b"<html>"),
            answer_json(b""),
            answer_json([]),
            answer_json({}),
            answer_json(b"[" * 100_000),
            answer_json(b'{"id": "user_1", "updated_at": 1, "first_name": "\\u0000"}'),
            answer_json(b" " * 300_000),
            answer_json(user_data("user_of_somebody_else", first_name="Eve")),
            hang_up,
        ],
        ids=[
            "404",
            "500",
            "429",
            "302",
            "html",
            "empty",
            "list",
            "object",
            "deep",
            "nul",
            "large",
            "other",
            "none",
        ],
    )
    def test_useless_answer(
        self, asking: Server, clerk: Instance, api: KeyServer, sql: Sql, answer: object
    ) -> None:
        api.answer = answer
        assert asking.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        assert len(api.requests) == 1
        row = sql.row("SELECT clerk_user_id, first_name, clerk_updated_at FROM users")
        assert row == {"clerk_user_id": "user_1", "first_name": None, "clerk_updated_at": None}
        assert sql.value("SELECT count(*) FROM subscriptions") == 1

    @pytest.mark.parametrize("answer", [hang, drip])
    def test_slow_answer(
        self, asking: Server, clerk: Instance, api: KeyServer, sql: Sql, answer: object
    ) -> None:
        """Nobody waits longer than 3 s for a courtesy."""
        api.answer = answer
        start = time.monotonic()
        assert asking.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        assert time.monotonic() - start < 4
        assert sql.user("user_1")["first_name"] is None

    def test_key_is_not_logged(self, asking: Server, clerk: Instance, api: KeyServer, sql: Sql) -> None:
        api.answer = answer_json({}, 401)
        assert asking.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        log = asking.log.read_text()
        assert "user_1 was not completed" in log
        assert SECRET_KEY not in log
        assert sql.value("SELECT count(*) FROM users") == 1
