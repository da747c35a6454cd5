"""`flask --app wsgi users ban` and `unban`: at Clerk and here."""

from tests.emulator.harness import EmulatorProcess
from tests.support.admins import add_user, states
from tests.support.clerk import Instance
from tests.support.clerk_api import ApiServer, answer_with, hang_up, refuse_with
from tests.support.commands import EVENTS, assert_refused, calling_clerk, event, make_app, run
from tests.support.database import Sql
from tests.support.server import Server


class TestBan:
    def test_ban_and_unban(
        self,
        settings: dict[str, str],
        emulator: EmulatorProcess,
        server: Server,
        clerk: Instance,
        sql: Sql,
    ) -> None:
        at_clerk = emulator.create_user("ada@example.com")["id"]
        ada = add_user(sql, clerk_user_id=at_clerk)
        with calling_clerk(settings, emulator.keys["CLERK_SECRET_KEY"], emulator.url) as cli:
            assert cli("ban", at_clerk).stderr == f"User {ada} is banned.\n"
            refused = server.get("/auth/me", clerk.token(sub=at_clerk))
            assert (refused.status_code, refused.json()["code"]) == (403, "user-banned")
            assert emulator.call("GET", f"/v1/users/{at_clerk}")["banned"]
            assert cli("unban", at_clerk).stderr == f"User {ada} is not banned.\n"
        assert server.get("/auth/me", clerk.token(sub=at_clerk)).status_code == 200
        assert not emulator.call("GET", f"/v1/users/{at_clerk}")["banned"]
        assert sql.rows(EVENTS) == [event("banned", ada), event("unbanned", ada)]

    def test_clerk_is_away(self, settings: dict[str, str], sql: Sql) -> None:
        ada = str(add_user(sql))
        before = states(sql)
        with ApiServer() as api, calling_clerk(settings, "sk_test_of_the_cli", api.url) as cli:
            for answer in (refuse_with("x", 500), answer_with({}), hang_up):
                api.answer = answer
                assert_refused(cli("ban", ada), "Clerk", "users deactivate")
            api.answer = refuse_with("resource_not_found", 404)
            assert_refused(cli("ban", ada), "Clerk does not know this user")
        assert states(sql) == before

    def test_no_secret_key(self, settings: dict[str, str], sql: Sql) -> None:
        ada = str(add_user(sql))
        before = states(sql)
        assert_refused(run(make_app(settings), "ban", ada), "Clerk", "users deactivate")
        assert states(sql) == before

    def test_legacy_user(self, settings: dict[str, str], sql: Sql) -> None:
        legacy = str(add_user(sql, clerk_user_id=None))
        assert_refused(run(make_app(settings), "ban", legacy), "not at Clerk", "users deactivate")
