"""`flask --app wsgi users …` as an operator types it."""

import json
import re
from functools import partial

import pytest
from flask import Flask

from tests.emulator.harness import EmulatorProcess
from tests.support.admins import add_user, states
from tests.support.caller import is_problem
from tests.support.clerk import Instance, user_data
from tests.support.clerk_api import SECRET_KEY, ApiServer, answer_with, hang_up, refuse_with
from tests.support.commands import EVENTS, Cli, assert_refused, calling_clerk, event, make_app, run, run_module
from tests.support.database import Sql
from tests.support.server import Server, clean_environment

COMMANDS = (
    "list",
    "show",
    "set-role",
    "set-plan",
    "deactivate",
    "activate",
    "ban",
    "unban",
    "merge",
    "restore",
    "relink",
)


@pytest.fixture
def cli(app: Flask, sql: Sql) -> Cli:  # noqa: ARG001 - the tables are to be empty
    return partial(run, app)


def test_help(cli: Cli) -> None:
    """Names every command, and has an example of each."""
    told = cli("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", told, re.MULTILINE)
        own = cli(command, "--help").stdout
        assert f"\n    flask --app wsgi users {command}" in own
        assert "e-mail" in own or command == "relink"


class TestList:
    def test_table(self, cli: Cli, sql: Sql) -> None:
        assert cli("list").stdout.splitlines()[1:] == []
        ada = add_user(sql, clerk_user_id="user_ada", email="ada@example.com", first_name="Ada", last_name="Byron")
        sql.rows("UPDATE users SET last_login_at = '2026-03-04 05:06:07Z', role = 'admin'")
        add_user(sql, clerk_user_id=None, banned=True, is_active=False, username="x\x1b[31m\x07", plan="pro")
        result = cli("list")
        assert (result.exit_code, result.stderr) == (0, "")
        heading, second, first = result.stdout.splitlines()
        told = f"{ada}|user_ada|ada@example.com|Ada Byron|admin|free|active|2026-03-04T05:06Z"
        assert re.split(r"  +", first) == told.split("|")
        assert re.split(r"  +", second) == ["2", "-", "-", "x?[31m?", "user", "pro", "banned,deactivated", "-"]
        for name, value in (("EMAIL", "ada@example.com"), ("ROLE", "admin"), ("STATE", "active")):
            assert heading.index(name) == first.index(value)

    def test_filters(self, cli: Cli, sql: Sql) -> None:
        for number in range(4):
            columns = {"role": "developer", "plan": "pro", "banned": number % 2 == 0}
            add_user(sql, email=f"ada{number}@example.com", **columns)
        options = ("--search", "ADA", "--role", "developer", "--plan", "pro", "--status", "banned", "--json")
        page = json.loads(cli("list", *options).stdout)
        assert [user["email"] for user in page["users"]] == ["ada2@example.com", "ada0@example.com"]
        assert page["next_cursor"] is None

    def test_limit(self, cli: Cli, sql: Sql) -> None:
        for _ in range(3):
            add_user(sql)
        result = cli("list", "--limit", "2")
        assert len(result.stdout.splitlines()) == 3
        assert "--limit" in result.stderr
        assert json.loads(cli("list", "--limit", "2", "--json").stdout)["next_cursor"] == "2"

    def test_long_list(self, cli: Cli, sql: Sql) -> None:
        """As many as asked for, also where a page of the API would end."""
        sql.rows(
            "INSERT INTO users (clerk_user_id, email) SELECT 'user_' || n, repeat('x', 300) || n || '@example.com' "
            "FROM generate_series(1, 500) n"
        )
        result = cli("list", "--limit", "500")
        assert (len(result.stdout.splitlines()), result.stderr) == (501, "")
        page = json.loads(cli("list", "--limit", "499", "--json").stdout)
        assert ([user["user_id"] for user in page["users"]], page["next_cursor"]) == (list(range(500, 1, -1)), "2")

    def test_wrong_option(self, cli: Cli) -> None:
        for options in (
            *(("--limit", "0"), ("--limit", "x"), ("--role", "root"), ("--plan", "gold"), ("--status", "all")),
            *(("--search", search) for search in ("", "x" * 101, "a\nb", "\udcff")),
        ):
            result = cli("list", *options)
            assert result.exit_code == 2, options
            assert "Traceback" not in result.stderr
            assert options[0] in result.stderr


class TestShow:
    def test_shows(self, cli: Cli, sql: Sql) -> None:
        ada = add_user(sql, clerk_user_id="user_ada", email="ada@example.com", first_name="A\x1b[0m")
        assert cli("show", "user_ada").stdout.endswith("\n"), "also before there are any events"
        cli("set-plan", "user_ada", "pro")
        for name in (str(ada), "user_ada", "ADA@example.com"):
            result = cli("show", name)
            facts, _, events = result.stdout.partition("\n\n")
            told = dict(re.split(r"  +", line, maxsplit=1) for line in facts.splitlines())
            assert (told["user_id"], told["plan"], told["first_name"]) == (str(ada), "pro", "A?[0m")
            assert 'user.plan_changed  cli  -  {"to": "pro", "from": "free"}' in events

    @pytest.mark.parametrize("command", ["show", "ban", "deactivate"])
    def test_unknown(self, cli: Cli, command: str) -> None:
        for name in ("nobody@example.com", "7", "user_x", "9" * 30, "\udcff"):
            assert_refused(cli(command, name), "no live user")


class TestChange:
    def test_first_admin(self, cli: Cli, server: Server, clerk: Instance, sql: Sql) -> None:
        ada = add_user(sql, clerk_user_id="user_ada", email="ada@example.com")
        assert server.get("/api/users", clerk.token(sub="user_ada")).status_code == 403
        result = cli("set-role", "ada@example.com", "admin")
        assert (result.exit_code, result.stderr) == (0, f"User {ada} has the role admin.\n")
        assert server.get("/api/users", clerk.token(sub="user_ada")).status_code == 200
        assert cli("set-role", "ada@example.com", "admin").exit_code == 0
        assert sql.rows(EVENTS) == [event("role_changed", ada, **{"from": "user", "to": "admin"})]
        # The operator may do what an admin may not do to themself.
        assert cli("set-role", str(ada), "user").exit_code == 0
        assert sql.value("SELECT role FROM users") == "user"

    def test_plan_and_state(self, cli: Cli, sql: Sql) -> None:
        ada = add_user(sql)
        for command, *rest in (["set-plan", "enterprise"], ["deactivate"], ["deactivate"], ["activate"]):
            assert cli(command, str(ada), *rest).exit_code == 0
        assert sql.rows(EVENTS) == [
            event("plan_changed", ada, **{"from": "free", "to": "enterprise"}),
            event("deactivated", ada),
            event("activated", ada),
        ]
        before = states(sql)
        for command, wrong in (("set-role", "root"), ("set-plan", "gold")):
            assert cli(command, str(ada), wrong).exit_code == 2
        assert states(sql) == before


class TestBan:
    def test_ban_and_unban(
        self, settings: dict[str, str], emulator: EmulatorProcess, server: Server, clerk: Instance, sql: Sql
    ) -> None:
        at_clerk = emulator.create_user("ada@example.com")["id"]
        ada = add_user(sql, clerk_user_id=at_clerk)
        with calling_clerk(settings, emulator.keys["CLERK_SECRET_KEY"], emulator.url) as cli:
            assert cli("ban", at_clerk).stderr == f"User {ada} is banned.\n"
            is_problem(server.get("/auth/me", clerk.token(sub=at_clerk)), 403, "user-banned")
            assert emulator.call("GET", f"/v1/users/{at_clerk}")["banned"]
            assert cli("unban", at_clerk).stderr == f"User {ada} is not banned.\n"
        assert server.get("/auth/me", clerk.token(sub=at_clerk)).status_code == 200
        assert not emulator.call("GET", f"/v1/users/{at_clerk}")["banned"]
        assert sql.rows(EVENTS) == [event("banned", ada), event("unbanned", ada)]

    def test_newer_copy(self, settings: dict[str, str], sql: Sql) -> None:
        ada = add_user(sql, clerk_user_id="user_ada", clerk_updated_at="2026-01-01Z")
        with (
            ApiServer(answer_with(user_data("user_ada", updated_at=5_000, banned=True))) as api,
            calling_clerk(settings, SECRET_KEY, api.url) as calling,
        ):
            assert_refused(calling("ban", str(ada)), "newer copy", "users deactivate")
        assert not sql.user("user_ada")["banned"]

    def test_refused(self, cli: Cli, settings: dict[str, str], sql: Sql) -> None:
        """Clerk is away, does not know the user, or is not ours to ask: nothing changes."""
        ada, legacy = str(add_user(sql)), str(add_user(sql, clerk_user_id=None))
        before = states(sql)
        with ApiServer() as api, calling_clerk(settings, SECRET_KEY, api.url) as calling:
            for answer in (refuse_with("x", 500), answer_with({}), hang_up):
                api.answer = answer
                assert_refused(calling("ban", ada), "Clerk", "users deactivate")
            api.answer = refuse_with("resource_not_found", 404)
            assert_refused(calling("ban", ada), "Clerk does not know this user")
        assert_refused(cli("ban", ada), "Clerk", "users deactivate")
        assert_refused(cli("ban", legacy), "not at Clerk", "users deactivate")
        assert states(sql) == before


@pytest.mark.parametrize(
    "arguments", [("list",), ("show", "1"), ("set-role", "1", "admin"), ("ban", "1")], ids=" ".join
)
def test_database_is_away(settings: dict[str, str], arguments: tuple[str, ...]) -> None:
    away = settings | {"DATABASE_URL": "postgresql://somebody:hush-hush@127.0.0.1:1/nothing"}
    result = run(make_app(away), *arguments)
    assert_refused(result, "The database cannot be used")
    assert "hush-hush" not in result.stderr


def test_as_typed(settings: dict[str, str], sql: Sql) -> None:
    """The first admin of a new installation, in a process of its own."""
    add_user(sql, email="ada@example.com")
    words = ("flask", "--app", "wsgi", "users", "set-role", "ada@example.com", "admin")
    result = run_module(*words, environment=clean_environment(**settings), timeout=30)
    assert (result.returncode, result.stderr) == (0, "User 1 has the role admin.\n")
    assert sql.value("SELECT role FROM users") == "admin"
