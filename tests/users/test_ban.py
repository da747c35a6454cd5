"""POST /api/users/<id>/ban and /unban: at Clerk, which owns bans, and here at once."""

import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Barrier
from typing import NamedTuple

import pytest
import requests
from flask import Flask

from tests.conftest import Deliver
from tests.emulator.harness import EmulatorProcess, Receiver
from tests.support.admins import ADMIN, Users, add_user, states
from tests.support.caller import is_problem
from tests.support.clerk import Instance, user_data
from tests.support.clerk_api import SECRET_KEY, Answer, ApiServer, Handler, answer_with, hang_up, refuse_with
from tests.support.commands import run
from tests.support.database import Sql
from tests.support.fixtures import StartServer
from tests.support.server import Server
from tests.support.traffic import in_parallel

EVENTS = "SELECT action, source, actor_user_id, subject_user_id, details FROM audit_events ORDER BY audit_id"
ADMIN_IDS = itertools.count(100, 100)
NO_USERS: list[object] = [{}, [], None, b"<html>", b"", {"id": "user_ada"}]


class Clerk(NamedTuple):
    """A local Clerk instance, whose webhooks go to `receiver` and no further, and a server that calls it."""

    server: Server
    emulator: EmulatorProcess
    receiver: Receiver


@pytest.fixture(scope="module")
def local(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clerk]:
    receiver = Receiver()
    emulator = EmulatorProcess(tmp_path_factory.mktemp("emulator") / "state", receiver.url)
    emulator.start()
    names = ("CLERK_SECRET_KEY", "CLERK_API_URL", "CLERK_WEBHOOK_SECRET")
    with start_server(**{name: emulator.keys[name] for name in names}, LEGACY_LINK_BY_EXTERNAL_ID="true") as server:
        yield Clerk(server, emulator, receiver)
    emulator.stop()
    receiver.close()


@pytest.fixture(scope="module")
def calling(start_server: StartServer, api: ApiServer) -> Iterator[Server]:
    with start_server(CLERK_SECRET_KEY=SECRET_KEY, CLERK_API_URL=api.url) as running:
        yield running


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """Clerk's Backend API. A test says what it answers."""
    with ApiServer() as running:
        yield running


class Bans(Users):
    def ban(self, user_id: int, action: str = "ban") -> requests.Response:
        return self.call("POST", f"/{user_id}/{action}")


class TestAtClerk:
    @pytest.fixture
    def bans(self, local: Clerk, clerk: Instance, users: Users) -> Bans:  # noqa: ARG002 - the admin is there
        return Bans(local.server, clerk)

    def test_ban_and_unban(self, bans: Bans, local: Clerk, clerk: Instance, sql: Sql) -> None:
        at_clerk = local.emulator.create_user("ada@example.com", first_name="Ada")["id"]
        session = local.emulator.create_session(at_clerk)["id"]
        ada = add_user(sql, clerk_user_id=at_clerk)
        theirs = clerk.token(sub=at_clerk, sid=session)
        assert local.server.get("/auth/me", theirs).status_code == 200

        user = bans.ban(ada).json()["user"]
        assert (user["banned"], user["is_active"], user["first_name"]) == (True, True, "Ada")
        is_problem(local.server.get("/auth/me", theirs), 403, "user-banned")
        assert local.emulator.call("GET", f"/v1/users/{at_clerk}")["banned"]
        assert local.emulator.call("GET", f"/v1/sessions/{session}")["status"] == "revoked"

        assert bans.ban(ada, "unban").json()["user"]["banned"] is False
        assert local.server.get("/auth/me", clerk.token(sub=at_clerk)).status_code == 200
        assert not local.emulator.call("GET", f"/v1/users/{at_clerk}")["banned"]
        told = {"source": "api", "actor_user_id": 1, "subject_user_id": ada, "details": {}}
        assert sql.rows(EVENTS) == [{"action": f"user.{done}", **told} for done in ("banned", "unbanned")]

    def test_its_webhook_says_nothing_new(self, bans: Bans, local: Clerk, sql: Sql) -> None:
        at_clerk = local.emulator.create_user("bob@example.com")["id"]
        bob = add_user(sql, clerk_user_id=at_clerk)
        local.receiver.wait_for(1)
        local.receiver.deliveries.clear()
        bans.ban(bob)
        bans.ban(bob)
        (delivery, *_) = local.receiver.wait_for(1)
        told = local.server.request("POST", "/api/webhooks", data=delivery.body, headers=delivery.headers)
        # Of the first ban: the second one may have been in the same millisecond, or later.
        assert told.json()["status"] in {"applied", "stale"}
        assert sql.user(at_clerk)["banned"]
        assert [row["action"] for row in sql.rows(EVENTS)] == ["user.banned"]

    def test_first_profile_that_links(self, bans: Bans, local: Clerk, sql: Sql) -> None:
        """Clerk's answer is the first profile we see, and belongs to an older row: that is banned, shown, noted."""
        old = add_user(sql, clerk_user_id=None)
        at_clerk = local.emulator.create_user("carol@example.com", external_id=str(old))["id"]
        answer = bans.ban(add_user(sql, clerk_user_id=at_clerk))
        assert (answer.status_code, answer.json()["user"]["user_id"]) == (200, old)
        assert sql.user(at_clerk)["banned"]
        banned = [row["subject_user_id"] for row in sql.rows(EVENTS) if row["action"] == "user.banned"]
        assert banned == [old]

    def test_unknown_at_clerk(self, bans: Bans, sql: Sql) -> None:
        stranger = add_user(sql, clerk_user_id="user_of_another_instance")
        before = states(sql)
        assert "PATCH is_active" in is_problem(bans.ban(stranger), 409, "conflict")["detail"]
        assert states(sql) == before


@pytest.fixture
def bans(calling: Server, clerk: Instance, api: ApiServer, sql: Sql) -> Bans:
    api.asked.clear()
    # How often an admin may make us ask Clerk is bounded: each test has one with an id of its own.
    sql.rows("SELECT setval(pg_get_serial_sequence('users', 'user_id'), %s)", next(ADMIN_IDS))
    return Bans(calling, clerk)


@pytest.mark.parametrize("action", ["ban", "unban"])
class TestUnasked:
    """What is refused before Clerk is asked."""

    def test_nobody_at_clerk(
        self, bans: Bans, api: ApiServer, sql: Sql, deliver: Deliver, ada: int, action: str
    ) -> None:
        deliver("user.deleted", {"id": "user_ada", "object": "user", "deleted": True})
        is_problem(bans.ban(ada, action), 409, "conflict")
        legacy = add_user(sql, clerk_user_id=None)
        assert "PATCH is_active" in is_problem(bans.ban(legacy, action), 409, "conflict")["detail"]
        assert api.asked == []

    def test_body(self, bans: Bans, api: ApiServer, ada: int, action: str) -> None:
        for body in ({"reason": "spam"}, {"user_id": 1}, {"banned": False}):
            assert bans.call("POST", f"/{ada}/{action}", json=body).status_code == 422
        assert api.asked == []
        api.answer = answer_with(user_data("user_ada", banned=action == "ban"))
        assert bans.call("POST", f"/{ada}/{action}", json={}).status_code == 200
        (asked,) = api.asked
        assert (asked.method, asked.path) == ("POST", f"/v1/users/user_ada/{action}")


def test_oneself(bans: Bans, api: ApiServer, sql: Sql, ada: int) -> None:
    before = states(sql)
    is_problem(bans.ban(ada - 1), 409, "conflict")
    assert (api.asked, states(sql)) == ([], before)


@pytest.mark.parametrize("action", ["ban", "unban"])
class TestAgeOfTheAnswer:
    """Of Clerk's profile and ours the newer one counts, and of two of the same time the answer."""

    @pytest.fixture
    def answer(self, bans: Bans, api: ApiServer, sql: Sql, ada: int, action: str, updated_at: int) -> requests.Response:
        is_banned = action == "unban"
        sql.rows("UPDATE users SET clerk_updated_at = to_timestamp(5), banned = %s WHERE user_id = %s", is_banned, ada)
        api.answer = answer_with(user_data("user_ada", updated_at=updated_at, banned=not is_banned))
        return bans.ban(ada, action)

    @pytest.mark.parametrize("updated_at", [5_000, 5_001])
    def test_newer(self, answer: requests.Response, action: str) -> None:
        assert (answer.status_code, answer.json()["user"]["banned"]) == (200, action == "ban")

    @pytest.mark.parametrize("updated_at", [4_999])
    def test_older(self, answer: requests.Response, sql: Sql, action: str) -> None:
        """A 200 would say that it is so. Clerk did it all the same, and the trail says for whom."""
        assert "newer copy" in is_problem(answer, 409, "conflict")["detail"]
        assert sql.user("user_ada")["banned"] == (action == "unban")
        assert [(row["action"], row["actor_user_id"]) for row in sql.rows(EVENTS)] == [
            (f"user.{action}ned", sql.user(ADMIN)["user_id"])
        ]


def do(handler: Handler) -> None:
    """As Clerk: what the path says."""
    _, user_id, action = handler.path.rsplit("/", 2)
    answer_with(user_data(user_id, banned=action == "ban"))(handler)


class TestAdminNoMore:
    """Whoever acts is looked at again when Clerk has answered, and what Clerk did for nobody is taken back there."""

    LOST = ("set-role", "deactivate", "UPDATE users SET banned = true WHERE clerk_user_id = 'user_admin'")

    @pytest.fixture(params=LOST, ids=["demoted", "switched off", "banned"])
    def lose(self, app: Flask, sql: Sql, request: pytest.FixtureRequest) -> Callable[[], object]:
        how: str = request.param
        if how.startswith("UPDATE"):
            return lambda: sql.rows(how)
        role = ("user",) if how == "set-role" else ()
        return lambda: run(app, how, str(sql.user(ADMIN)["user_id"]), *role)

    @pytest.mark.parametrize(("action", "undone"), [("ban", "unban"), ("unban", "ban")])
    def test_meanwhile(
        self, bans: Bans, api: ApiServer, sql: Sql, ada: int, lose: Callable[[], object], action: str, undone: str
    ) -> None:
        sql.rows("UPDATE users SET banned = %s WHERE user_id = %s", action == "unban", ada)

        def lose_and_do(handler: Handler) -> None:
            api.answer = do
            lose()
            do(handler)

        api.answer = lose_and_do
        assert "no admin" in is_problem(bans.ban(ada, action), 403, "forbidden")["detail"]
        assert [asked.path for asked in api.asked] == [f"/v1/users/user_ada/{done}" for done in (action, undone)]
        assert sql.user("user_ada")["banned"] == (action == "unban")
        assert not [row for row in sql.rows(EVENTS) if row["subject_user_id"] == ada]

    def test_what_was_so_before_stays(self, bans: Bans, api: ApiServer, sql: Sql, ada: int) -> None:
        sql.rows("UPDATE users SET banned = true WHERE user_id = %s", ada)

        def lose_and_do(handler: Handler) -> None:
            sql.rows("UPDATE users SET role = 'user'")
            do(handler)

        api.answer = lose_and_do
        is_problem(bans.ban(ada), 403, "forbidden")
        assert [asked.path for asked in api.asked] == ["/v1/users/user_ada/ban"]

    def test_two_who_ban_each_other_leave_one(
        self,
        bans: Bans,
        calling: Server,
        clerk: Instance,
        api: ApiServer,
        sql: Sql,
        ada: int,  # noqa: ARG002 - the admin is there too
    ) -> None:
        other_id = add_user(sql, clerk_user_id="user_other", role="admin")
        other = Bans(calling, clerk)
        other.sub = "user_other"
        both = Barrier(2)

        def do_together(handler: Handler) -> None:
            if len(api.asked) <= 2:
                both.wait(10)
            do(handler)

        api.answer = do_together
        answers = in_parallel([partial(bans.ban, other_id), partial(other.ban, sql.user(ADMIN)["user_id"])])
        assert sorted(answer.status_code for answer in answers) == [200, 403]
        assert sql.value("SELECT count(*) FROM users WHERE role = 'admin' AND NOT banned") == 1
        assert sorted(asked.path.rsplit("/")[-1] for asked in api.asked) == ["ban", "ban", "unban"]
        assert sql.value("SELECT count(*) FROM audit_events WHERE action = 'user.banned'") == 1


def slow(_handler: object) -> None:
    time.sleep(5)


REFUSALS: tuple[Answer, ...] = (
    *(refuse_with("x", status) for status in (400, 401, 403, 422, 500, 502)),
    *(answer_with({}, 302, Location="/"), hang_up, slow),
)
ANSWERS = (
    *map(answer_with, NO_USERS),
    answer_with(user_data("user_ada", banned=True, first_name="\x00")),
    answer_with(user_data("user_of_somebody_else", banned=True)),
    answer_with(user_data("user_ada", banned=False)),
)


class TestClerkIsAway:
    @pytest.mark.parametrize("answers", [REFUSALS, ANSWERS], ids=["refusals", "answers"])
    def test_nothing_changes(self, bans: Bans, api: ApiServer, sql: Sql, ada: int, answers: tuple[Answer, ...]) -> None:
        before = states(sql)
        for answer in answers:
            api.answer = answer
            api.asked.clear()
            told = bans.ban(ada)
            assert "PATCH is_active" in is_problem(told, 503, "clerk-unavailable")["detail"]
            assert told.headers["Retry-After"] == "5"
            assert states(sql) == before
            assert len(api.asked) == 1
            assert "sk_test" not in told.text + bans.server.log.read_text()

    def test_too_often(self, bans: Bans, api: ApiServer, ada: int) -> None:
        """An admin's script, say. Nobody else's calls to Clerk suffer, nor do other requests of the admin."""
        api.answer = answer_with(user_data("user_ada", banned=True))
        told = [bans.ban(ada, action) for action in ["ban"] * 30]
        asked = len(api.asked)
        assert 10 <= asked < 30
        assert [answer.status_code for answer in told].count(200) == asked
        refused = [answer for answer in told if answer.status_code != 200]
        is_problem(refused[-1], 429, "rate-limited")
        assert refused[-1].headers["Retry-After"] == "1"
        assert bans.call("GET", f"/{ada}").status_code == 200

    def test_asked_to_wait(self, bans: Bans, api: ApiServer, ada: int) -> None:
        api.answer = refuse_with("too_many_requests", 429, Retry_After="1")
        told = bans.ban(ada)
        assert (told.status_code, told.headers["Retry-After"]) == (503, "1")
        api.answer = answer_with(user_data("user_ada", banned=True))
        time.sleep(1)
        assert bans.ban(ada).status_code == 200

    def test_no_secret_key(self, server: Server, clerk: Instance, sql: Sql, ada: int) -> None:
        """What is told to do instead needs no Clerk."""
        before = states(sql)
        bans = Bans(server, clerk)
        assert "CLERK_SECRET_KEY" in is_problem(bans.ban(ada), 503, "clerk-unavailable")["detail"]
        assert states(sql) == before
        assert bans.patch(ada, is_active=False).status_code == 200
        assert server.get("/auth/me", clerk.token(sub="user_ada")).status_code == 403
