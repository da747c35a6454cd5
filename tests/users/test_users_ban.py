"""POST /api/users/<id>/ban and /unban: at Clerk, which owns bans, and here at once."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.conftest import Deliver
from tests.emulator.harness import EmulatorProcess, Receiver
from tests.support.admins import ADMIN, REFUSED, add_admin, add_user, credential, states
from tests.support.clerk import Instance, user_data
from tests.support.clerk_api import ApiServer, answer_with, hang_up, refuse_with
from tests.support.database import Sql
from tests.support.server import Server, running_server

EVENTS = "SELECT action, source, actor_user_id, subject_user_id, details FROM audit_events ORDER BY audit_id"
NO_USERS: list[object] = [{}, [], None, b"<html>", b"", {"id": "user_ada"}]
ACTIONS = pytest.mark.parametrize("action", ["ban", "unban"])


class Backend(NamedTuple):
    """A server that calls a local Clerk instance, whose webhooks go to `receiver` and no further."""

    server: Server
    emulator: EmulatorProcess
    receiver: Receiver


@pytest.fixture(scope="module")
def backend(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    receiver = Receiver()
    emulator = EmulatorProcess(tmp_path_factory.mktemp("emulator") / "state", receiver.url)
    emulator.start()
    names = ("CLERK_SECRET_KEY", "CLERK_API_URL", "CLERK_WEBHOOK_SECRET")
    own = settings | {name: emulator.keys[name] for name in names}
    with running_server(tmp_path_factory.mktemp("backend"), own) as server:
        yield Backend(server, emulator, receiver)
    emulator.stop()
    receiver.close()


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """Clerk's Backend API. A test says what it answers."""
    with ApiServer() as running:
        yield running


@pytest.fixture(scope="module")
def calling(
    settings: dict[str, str], api: ApiServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    own = settings | {"CLERK_SECRET_KEY": "sk_test_of_the_backend_api", "CLERK_API_URL": api.url}
    with running_server(tmp_path_factory.mktemp("calling"), own) as running:
        yield running


@pytest.fixture
def ada(sql: Sql, api: ApiServer) -> int:
    api.asked.clear()
    add_admin(sql)
    return add_user(sql, clerk_user_id="user_ada", email="ada@example.com")


def post(server: Server, clerk: Instance, user_id: int, action: str, **options: Any) -> Any:
    return server.request("POST", f"/api/users/{user_id}/{action}", clerk.token(sub=ADMIN), **options)


class TestAtClerk:
    def test_ban_and_unban(self, backend: Backend, clerk: Instance, sql: Sql) -> None:
        add_admin(sql)
        at_clerk = backend.emulator.create_user("ada@example.com", first_name="Ada")["id"]
        session = backend.emulator.create_session(at_clerk)["id"]
        ada = add_user(sql, clerk_user_id=at_clerk)
        theirs = clerk.token(sub=at_clerk, sid=session)
        assert backend.server.get("/auth/me", theirs).status_code == 200

        answer = post(backend.server, clerk, ada, "ban", headers={"X-Request-ID": "one"})
        assert answer.status_code == 200
        user = answer.json()["user"]
        assert (user["banned"], user["is_active"], user["first_name"]) == (True, True, "Ada")
        refused = backend.server.get("/auth/me", theirs)
        assert (refused.status_code, refused.json()["code"]) == (403, "user-banned")
        assert backend.emulator.call("GET", f"/v1/users/{at_clerk}")["banned"]
        assert backend.emulator.call("GET", f"/v1/sessions/{session}")["status"] == "revoked"

        assert post(backend.server, clerk, ada, "unban").json()["user"]["banned"] is False
        assert backend.server.get("/auth/me", clerk.token(sub=at_clerk)).status_code == 200
        assert not backend.emulator.call("GET", f"/v1/users/{at_clerk}")["banned"]
        told = {"source": "api", "actor_user_id": 1, "subject_user_id": ada, "details": {}}
        assert sql.rows(EVENTS) == [{"action": f"user.{done}", **told} for done in ("banned", "unbanned")]

    def test_its_webhook_says_nothing_new(self, backend: Backend, clerk: Instance, sql: Sql) -> None:
        add_admin(sql)
        at_clerk = backend.emulator.create_user("bob@example.com")["id"]
        bob = add_user(sql, clerk_user_id=at_clerk)
        backend.receiver.wait_for(1)
        backend.receiver.deliveries.clear()
        post(backend.server, clerk, bob, "ban")
        post(backend.server, clerk, bob, "ban")
        (delivery, *_) = backend.receiver.wait_for(1)
        told = backend.server.request("POST", "/api/webhooks", data=delivery.body, headers=delivery.headers)
        # Of the first ban: the second one may have been in the same millisecond, or later.
        assert told.json()["status"] in {"applied", "stale"}
        assert sql.user(at_clerk)["banned"]
        assert [row["action"] for row in sql.rows(EVENTS)] == ["user.banned"]

    def test_first_profile_that_links(self, backend: Backend, clerk: Instance, sql: Sql) -> None:
        """Clerk's answer is the first profile we see, and belongs to an older row: that one is banned, shown and noted."""
        add_admin(sql)
        old = add_user(sql, clerk_user_id=None)
        at_clerk = backend.emulator.create_user("carol@example.com", external_id=str(old))["id"]
        provisional = add_user(sql, clerk_user_id=at_clerk)
        answer = post(backend.server, clerk, provisional, "ban")
        assert (answer.status_code, answer.json()["user"]["user_id"]) == (200, old)
        assert sql.user(at_clerk)["banned"]
        banned = [row["subject_user_id"] for row in sql.rows(EVENTS) if row["action"] == "user.banned"]
        assert banned == [old]

    def test_unknown_at_clerk(self, backend: Backend, clerk: Instance, sql: Sql) -> None:
        add_admin(sql)
        stranger = add_user(sql, clerk_user_id="user_of_another_instance")
        before = states(sql)
        answer = post(backend.server, clerk, stranger, "ban")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "PATCH is_active" in answer.json()["detail"]
        assert states(sql) == before


class TestAccess:
    @REFUSED
    def test_refused(
        self, calling: Server, clerk: Instance, sql: Sql, ada: int, caller: str, outcome: tuple[int, str]
    ) -> None:
        headers = credential(caller, calling, clerk, sql)
        before = states(sql)
        for action in ("ban", "unban"):
            answer = calling.request("POST", f"/api/users/{ada}/{action}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == outcome
        assert states(sql) == before


@ACTIONS
class TestRefused:
    def test_legacy_user(
        self, calling: Server, clerk: Instance, api: ApiServer, sql: Sql, ada: int, action: str
    ) -> None:
        legacy = add_user(sql, clerk_user_id=None)
        answer = post(calling, clerk, legacy, action)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "PATCH is_active" in answer.json()["detail"]
        assert api.asked == []
        assert ada < legacy

    def test_deleted_user(
        self, calling: Server, clerk: Instance, api: ApiServer, deliver: Deliver, ada: int, action: str
    ) -> None:
        deliver("user.deleted", {"id": "user_ada", "object": "user", "deleted": True})
        assert post(calling, clerk, ada, action).json()["code"] == "conflict"
        assert api.asked == []

    @pytest.mark.parametrize("body", [{"reason": "spam"}, {"user_id": 1}, {"banned": False}])
    def test_body(
        self, calling: Server, clerk: Instance, api: ApiServer, ada: int, action: str, body: dict[str, Any]
    ) -> None:
        assert post(calling, clerk, ada, action, json=body).status_code == 422
        assert api.asked == []

    def test_empty_body(
        self, calling: Server, clerk: Instance, api: ApiServer, ada: int, action: str
    ) -> None:
        api.answer = answer_with(user_data("user_ada", banned=action == "ban"))
        assert post(calling, clerk, ada, action, json={}).status_code == 200
        (asked,) = api.asked
        assert (asked.method, asked.path) == ("POST", f"/v1/users/user_ada/{action}")


class TestAnswer:
    """Of Clerk's profile and ours the newer one counts, and of two of the same time the answer."""

    @pytest.mark.parametrize("updated_at", [4_999, 5_000, 5_001])
    def test_age(
        self, calling: Server, clerk: Instance, api: ApiServer, sql: Sql, ada: int, updated_at: int
    ) -> None:
        sql.rows("UPDATE users SET clerk_updated_at = to_timestamp(5) WHERE user_id = %s", ada)
        api.answer = answer_with(user_data("user_ada", updated_at=updated_at, banned=True))
        answer = post(calling, clerk, ada, "ban")
        assert (answer.status_code, answer.json()["user"]["banned"]) == (200, updated_at >= 5_000)


class TestOneself:
    def test_ban(self, calling: Server, clerk: Instance, api: ApiServer, sql: Sql, ada: int) -> None:
        before = states(sql)
        answer = post(calling, clerk, ada - 1, "ban")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert api.asked == []
        assert states(sql) == before


def slow(_handler: object) -> None:
    time.sleep(5)


class TestClerkIsAway:
    @pytest.mark.parametrize(
        "answer",
        [
            *(refuse_with("x", status) for status in (400, 401, 403, 422, 500, 502)),
            *map(answer_with, NO_USERS),
            answer_with(user_data("user_ada", banned=True, first_name="\x00")),
            answer_with(user_data("user_of_somebody_else", banned=True)),
            answer_with(user_data("user_ada", banned=False)),
            answer_with({}, 302, Location="/"),
            hang_up,
            slow,
        ],
    )
    def test_nothing_changes(
        self, calling: Server, clerk: Instance, api: ApiServer, sql: Sql, ada: int, answer: object
    ) -> None:
        api.answer = answer
        before = states(sql)
        told = post(calling, clerk, ada, "ban")
        assert (told.status_code, told.json()["code"]) == (503, "clerk-unavailable")
        assert "PATCH is_active" in told.json()["detail"]
        assert told.headers["Retry-After"] == "5"
        assert states(sql) == before
        assert len(api.asked) == 1
        assert "sk_test" not in told.text + calling.log.read_text()

    def test_asked_to_wait(self, calling: Server, clerk: Instance, api: ApiServer, ada: int) -> None:
        api.answer = refuse_with("too_many_requests", 429, Retry_After="2")
        told = post(calling, clerk, ada, "ban")
        assert (told.status_code, told.headers["Retry-After"]) == (503, "2")
        api.answer = answer_with(user_data("user_ada", banned=True))
        time.sleep(2)
        assert post(calling, clerk, ada, "ban").status_code == 200

    def test_no_secret_key(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        before = states(sql)
        told = post(server, clerk, ada, "ban")
        assert (told.status_code, told.json()["code"]) == (503, "clerk-unavailable")
        assert "CLERK_SECRET_KEY" in told.json()["detail"]
        assert states(sql) == before

    def test_the_way_without_clerk(self, server: Server, clerk: Instance, ada: int) -> None:
        answer = server.request(
            "PATCH", f"/api/users/{ada}", clerk.token(sub=ADMIN), json={"is_active": False}
        )
        assert answer.status_code == 200
        assert server.get("/auth/me", clerk.token(sub="user_ada")).status_code == 403
