"""The first request of a user, when Clerk's Backend API may be asked who that is."""

import time
from collections.abc import Iterator

import pytest

from backend.services.clerk.mirror import completion
from tests.conftest import Deliver
from tests.session_tokens.key_servers import drip_head
from tests.support.caller import is_problem
from tests.support.clerk import Instance, session_data, user_data
from tests.support.clerk_api import SECRET_KEY, Answer, ApiServer, Handler, answer_with, hang_up, refuse_with
from tests.support.database import Sql
from tests.support.fixtures import StartApp, StartServer
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
    # Only Clerk itself can say that there is no such user.
    *(answer_with(document, 404) for document in ({}, b"<html>", {"errors": [{"code": "not_found"}]})),
    *(refuse_with("resource_not_found", status) for status in (401, 403, 410, 500)),
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
        for number, answer in enumerate(USELESS):
            user = f"user_{number}"  # each may make us ask only so often
            sql.empty_all()
            api.asked.clear()
            api.answer = answer
            assert asking.get("/auth/me", clerk.token(sub=user)).status_code == 200
            # A kept connection may have been closed before it was used: that is tried once more.
            assert len(api.asked) == (2 if answer is hang_up else 1)
            row = sql.row("SELECT clerk_user_id, first_name, clerk_updated_at FROM users")
            assert row == {"clerk_user_id": user, "first_name": None, "clerk_updated_at": None}
            assert sql.value("SELECT count(*) FROM subscriptions") == 1

    def test_asked_too_often(self, asking: Server, clerk: Instance, api: ApiServer, sql: Sql) -> None:
        """A user who is new again and again, as no real one is: the request goes on without Clerk."""
        api.answer = answer_with({}, 500)
        for _ in range(40):
            sql.empty_all()
            assert asking.get("/auth/me", clerk.token(sub="user_often")).status_code == 200
        assert 10 <= len(api.asked) < 40

    def test_time_that_lies_ahead(
        self, asking: Server, clerk: Instance, api: ApiServer, deliver: Deliver, sql: Sql
    ) -> None:
        api.answer = answer_with(user_data("user_1", updated_at=253_402_300_799_999))
        assert asking.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        assert deliver("user.updated", user_data("user_1", banned=True)).json() == {"status": "applied"}
        assert sql.user("user_1")["banned"]


UNKNOWN = refuse_with("resource_not_found", 404)
ERASED = "SELECT action, source, details FROM audit_events"


def in_turn(*answers: Answer, key_set: object) -> Answer:
    """One after the other to who asks for the user, then the last for ever; and the keys of the instance."""
    left = list(answers)

    def answer(handler: Handler) -> None:
        if handler.path == "/v1/jwks":
            answer_with(key_set)(handler)
        else:
            (left.pop(0) if len(left) > 1 else left[0])(handler)

    return answer


class TestUnknownAtClerk:
    """A token is good for up to a minute after its user was deleted at Clerk, and that webhook may be lost."""

    @pytest.fixture
    def swift(self, start_app: StartApp, api: ApiServer, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> Server:  # noqa: ARG002 - the tables are to be empty
        """Looks again at once."""
        monkeypatch.setattr(completion, "SECOND_LOOK_SECONDS", 0.01)
        return start_app(CLERK_SECRET_KEY=SECRET_KEY, CLERK_API_URL=api.url)

    def test_is_deleted_here_at_the_second_look(
        self, asking: Server, clerk: Instance, api: ApiServer, deliver: Deliver, sql: Sql
    ) -> None:
        api.answer = in_turn(UNKNOWN, key_set={"keys": [clerk.jwk]})
        token = clerk.token(sub="user_1")
        start = time.monotonic()
        is_problem(asking.get("/auth/me", token), 401, "user-deleted")
        assert time.monotonic() - start > completion.SECOND_LOOK_SECONDS
        is_problem(asking.get("/api/subscription", token), 401, "user-deleted")
        assert [asked.path for asked in api.asked] == ["/v1/users/user_1"] * 2 + ["/v1/jwks"]
        tombstone = sql.user("user_1")
        assert (tombstone["is_active"], tombstone["clerk_updated_at"]) == (False, None)
        assert tombstone["deleted_at"] is not None
        deleted = {"action": "user.deleted", "source": "sync", "details": {"reason": "unknown at Clerk"}}
        assert sql.rows(ERASED) == [deleted]
        assert deliver("user.created", user_data("user_1")).json() == {"status": "stale"}
        assert sql.user("user_1") == tombstone

    def test_visible_at_the_second_look(self, swift: Server, clerk: Instance, api: ApiServer, sql: Sql) -> None:
        api.answer = in_turn(UNKNOWN, answer_with(user_data("user_1", first_name="Ada")), key_set={})
        body = swift.get("/auth/me", clerk.token(sub="user_1")).json()
        assert body["user"]["first_name"] == "Ada"
        assert sql.value("SELECT count(*) FROM audit_events") == 0

    @pytest.mark.parametrize("second", [answer_with({}, 404), refuse_with("internal_error", 500), hang_up])
    def test_no_answer_at_the_second_look(
        self, swift: Server, clerk: Instance, api: ApiServer, sql: Sql, second: Answer
    ) -> None:
        api.answer = in_turn(UNKNOWN, second, key_set={"keys": [clerk.jwk]})
        assert swift.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        assert sql.user("user_1")["deleted_at"] is None

    @pytest.mark.parametrize("key_set", [{"keys": [Instance().jwk]}, {"keys": []}, []])
    def test_secret_key_of_another_instance(
        self, swift: Server, clerk: Instance, api: ApiServer, sql: Sql, key_set: object
    ) -> None:
        """All of our users are unknown there."""
        api.answer = in_turn(UNKNOWN, key_set=key_set)
        assert swift.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        assert sql.user("user_1")["deleted_at"] is None

    def test_webhook_between_the_looks(
        self, swift: Server, clerk: Instance, api: ApiServer, deliver: Deliver, sql: Sql
    ) -> None:
        """Clerk knows the user after all."""

        def look(handler: Handler) -> None:
            deliver("user.created", user_data("user_1", first_name="Ada"))
            UNKNOWN(handler)

        api.answer = in_turn(UNKNOWN, look, key_set={"keys": [clerk.jwk]})
        assert swift.get("/auth/me", clerk.token(sub="user_1")).json()["user"]["first_name"] == "Ada"
        assert sql.user("user_1")["deleted_at"] is None

    def test_user_with_a_profile_is_not_asked_for(
        self, swift: Server, clerk: Instance, api: ApiServer, deliver: Deliver
    ) -> None:
        api.answer = in_turn(UNKNOWN, key_set={"keys": [clerk.jwk]})
        deliver("user.created", user_data("user_1"))
        assert swift.get("/auth/me", clerk.token(sub="user_1")).status_code == 200
        assert api.asked == []


class TestAgain:
    """A user whose profile did not come is asked for again by the requests, with growing pauses."""

    def test_until_it_is_there(
        self, start_app: StartApp, clerk: Instance, api: ApiServer, sql: Sql, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sql.empty_all()
        now = [0.0]
        monkeypatch.setattr(completion.Completion.__init__, "__kwdefaults__", {"clock": lambda: now[0]})
        server = start_app(CLERK_SECRET_KEY=SECRET_KEY, CLERK_API_URL=api.url)
        token = clerk.token(sub="user_1")

        def asked_at(seconds: float) -> int:
            now[0] = seconds
            assert server.get("/auth/me", token).status_code == 200
            return len(api.asked)

        api.answer = answer_with({}, 500)
        assert [asked_at(at) for at in (0, 9, 11, 30, 32, 71, 73)] == [1, 1, 2, 2, 3, 3, 4]
        api.answer = answer_with(user_data("user_1", first_name="Ada"))
        assert [asked_at(at) for at in (100, 200, 100_000)] == [4, 5, 5]
        assert sql.user("user_1")["first_name"] == "Ada"

    def test_found_incomplete(
        self, start_app: StartApp, clerk: Instance, api: ApiServer, server: Server, sql: Sql
    ) -> None:
        """By a worker that did not make the row: it leaves the first question to the one who did."""
        sql.empty_all()
        token = clerk.token(sub="user_1")
        assert server.get("/auth/me", token).status_code == 200  # it may not ask
        other = start_app(CLERK_SECRET_KEY=SECRET_KEY, CLERK_API_URL=api.url)
        assert other.get("/auth/me", token).status_code == 200
        assert api.asked == []
