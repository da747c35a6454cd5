"""`flask --app wsgi keys`, as an operator types it."""

import pytest
from click.testing import Result
from flask import Flask

from tests.support.api_keys import KeyOwner
from tests.support.clerk import Instance
from tests.support.commands import make_app, run_module
from tests.support.database import Sql
from tests.support.server import Server, clean_environment

SCOPE = ("--scope", "profile:read")
USERS = """
INSERT INTO users (clerk_user_id, email, email_verified, deleted_at, provisioned_by) VALUES
('user_1', 'Ada@Example.com', true, NULL, 'webhook'), ('user_2', 'two@example.com', false, NULL, 'webhook'),
(NULL, 'TWO@example.com', false, NULL, 'legacy'), ('user_4', NULL, false, now(), 'webhook')
"""


class Terminal:
    """Types commands: in this process, which saves a second each."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def keys(self, *arguments: str) -> Result:
        return self._app.test_cli_runner().invoke(args=["keys", *arguments])

    def create(self, user: str = "user_1", *more: str) -> Result:
        result = self.keys("create", user, "--name", "backup", *SCOPE, *more)
        assert result.exit_code == 0, result.stderr
        return result

    def fails(self, *arguments: str) -> str:
        """The one line that says why."""
        result = self.keys(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr.removeprefix("Error: ").strip()


@pytest.fixture
def terminal(app: Flask, sql: Sql) -> Terminal:
    sql.rows(USERS)
    return Terminal(app)


class TestCreate:
    def test_valid(self, terminal: Terminal, server: Server, clerk: Instance, sql: Sql) -> None:
        result = terminal.create("user_1", "--scope", "tokens:spend", "--expires-in-days", "30")
        assert result.stdout.count("\n") == 1, "nothing but the key, for $(…)"
        key = {"key": result.stdout.strip()}
        assert "only this once" in result.stderr
        session = KeyOwner(server, clerk).use(key).json()["session"]
        assert session["scopes"] == ["profile:read", "tokens:read", "tokens:spend"]
        assert sql.value("SELECT expires_at - created_at BETWEEN '29.9 d' AND '30 d' FROM api_keys")
        row = sql.row("SELECT * FROM audit_events")
        assert (row["action"], row["source"], row["actor_user_id"]) == ("api_key.created", "cli", None)
        assert row["subject_user_id"] == sql.user("user_1")["user_id"]

    def test_names_of_a_user(self, terminal: Terminal, sql: Sql) -> None:
        for user in ("1", "user_1", "ada@example.com", "ADA@EXAMPLE.COM"):
            terminal.create(user)
        assert sql.rows("SELECT user_id FROM api_keys") == [{"user_id": 1}] * 4

    def test_no_such_user(self, terminal: Terminal) -> None:
        for user in (
            *("4", "user_4", "7", "user_7", "nobody@example.com", "0", "01", "9" * 30, "-", "%"),
            *("\udcff@x", "x\x1b[2J"),
        ):
            reason = terminal.fails("create", "--name", "x", *SCOPE, "--", user)
            assert "no live user" in reason
            assert "users list" in reason
            assert reason.isprintable()
        terminal.fails("list", "user_9")

    def test_address_that_proves_nothing(self, terminal: Terminal) -> None:
        """An unverified one anybody can give; a look-alike is somebody else's."""
        for address in ("two@example.com", "ad\u0130@example.com"):
            reason = terminal.fails("create", address, "--name", "x", *SCOPE)
            assert "counts only when it is verified" in reason

    def test_wrong_option(self, terminal: Terminal, sql: Sql) -> None:
        for wrong in (
            *(("--name", name, *SCOPE) for name in ("", "a\nb", "\udcff", "x" * 101)),
            *(("--name", "x", *SCOPE, "--expires-in-days", days) for days in ("0", "4000")),
            *(("--name", "x", "--scope", "admin"), ("--name", "x"), SCOPE),
        ):
            result = terminal.keys("create", "user_1", *wrong)
            assert (result.exit_code, result.stdout) == (2, ""), wrong
        assert sql.value("SELECT count(*) FROM api_keys") == 0

    def test_quota(self, terminal: Terminal, sql: Sql) -> None:
        sql.rows(
            "INSERT INTO api_keys (user_id, name, prefix, last_four, key_hash, scopes) "
            "SELECT 1, 'n', 'sk_app', 'abcd', 'hash ' || n, '{profile:read}' FROM generate_series(1, 5) n"
        )
        reason = terminal.fails("create", "1", "--name", "x", *SCOPE)
        assert "room for 5 API keys" in reason
        assert "Revoke one" in reason


class TestList:
    def test_every_state(self, terminal: Terminal, sql: Sql) -> None:
        secrets = [terminal.create().stdout.strip() for _ in range(4)]
        sql.rows("UPDATE api_keys SET revoked_at = '2026-01-02 03:04Z' WHERE key_id = 1")
        sql.rows("UPDATE api_keys SET expires_at = '2026-01-02 03:04Z', name = E'a\u009bb' WHERE key_id = 2")
        sql.rows("UPDATE api_keys SET expires_at = '2999-01-02 03:04Z', last_used_at = created_at WHERE key_id = 3")
        result = terminal.keys("list", "user_1")
        heading, *lines = result.stdout.splitlines()
        assert heading.split() == ["KEY_ID", "KEY", "NAME", "SCOPES", "STATE", "CREATED", "LAST_USED"]
        assert [line.split()[0] for line in lines] == ["4", "3", "2", "1"]
        states = ["usable", "usable until 2999-01-02T03:04Z", "expired 2026-01-02T03:04Z", "revoked 2026-01-02T03:04Z"]
        for line, state, secret in zip(lines, states, reversed(secrets), strict=True):
            assert f" {state} " in line
            assert f"sk_app_…{secret[-4:]}" in line
            assert secret not in line
            assert line.isprintable()
        assert len(terminal.keys("list", "user_2").stdout.splitlines()) == 1


class TestRotate:
    def test_valid(self, terminal: Terminal, server: Server, clerk: Instance, sql: Sql) -> None:
        old = {"key": terminal.create().stdout.strip()}
        result = terminal.keys("rotate", "1", "--overlap-hours", "2")
        assert result.exit_code == 0
        new = {"key": result.stdout.strip()}
        assert [KeyOwner(server, clerk).use(key).status_code for key in (old, new)] == [200, 200]
        assert sql.value("SELECT expires_at - now() BETWEEN '1.9 h' AND '2 h' FROM api_keys WHERE key_id = 1")
        assert sql.value("SELECT source FROM audit_events WHERE action = 'api_key.rotated'") == "cli"

    def test_a_day_unless_said_otherwise(self, terminal: Terminal, sql: Sql) -> None:
        terminal.create()
        terminal.keys("rotate", "1")
        left = "SELECT expires_at - now() BETWEEN '23.9 h' AND '24 h' FROM api_keys WHERE key_id = 1"
        assert sql.value(left)

    def test_refused(self, terminal: Terminal) -> None:
        assert "no such API key" in terminal.fails("rotate", "77")
        terminal.create()
        terminal.keys("revoke", "1")
        assert "Make a new one" in terminal.fails("rotate", "1")

    def test_key_of_a_deleted_user(self, terminal: Terminal, sql: Sql) -> None:
        terminal.create()
        sql.rows("UPDATE users SET deleted_at = now() WHERE user_id = 1")
        assert terminal.fails("rotate", "1") == "This user was deleted."
        assert sql.value("SELECT count(*) FROM api_keys") == 1


def test_revoke(terminal: Terminal, server: Server, clerk: Instance, sql: Sql) -> None:
    key = {"key": terminal.create().stdout.strip()}
    for _ in range(2):
        assert terminal.keys("revoke", "1").exit_code == 0
    assert KeyOwner(server, clerk).use(key).json()["code"] == "api-key-revoked"
    assert sql.rows("SELECT source FROM audit_events WHERE action = 'api_key.revoked'") == [{"source": "cli"}]
    assert "no such API key" in terminal.fails("revoke", "77")


def test_as_typed(settings: dict[str, str], terminal: Terminal, sql: Sql) -> None:  # noqa: ARG001
    """The command in a process of its own."""
    words = ("flask", "--app", "wsgi", "keys", "create", "user_1", "--name", "x", *SCOPE)
    result = run_module(*words, environment=clean_environment(**settings), timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()[-4:] == sql.value("SELECT last_four FROM api_keys")


def test_database_away(settings: dict[str, str]) -> None:
    away = settings | {"DATABASE_URL": "postgresql://u:s3cret@127.0.0.1:1/x"}
    reason = Terminal(make_app(away)).fails("list", "user_1")
    assert reason.startswith("The database cannot be used: ")
    assert "DATABASE_URL" in reason
    assert "s3cret" not in reason


@pytest.mark.parametrize("command", ["create", "list", "rotate", "revoke"])
def test_help_has_an_example(app: Flask, command: str) -> None:
    text = Terminal(app).keys(command, "--help").stdout
    assert f"\n  Example:\n    flask --app wsgi keys {command} " in text
