"""`flask clerk status` and /readyz: what the copy holds, and how old the proof is that it is true."""

import re

import pytest
from flask import Flask

from tests.mirror.conftest import Clerk
from tests.mirror.source import Source, make_user
from tests.support.database import Sql
from tests.support.server import Server


def test_status(clerk_command: Clerk, source: Source, sql: Sql) -> None:
    assert clerk_command("status").stdout.endswith("backfill: never\nreconcile: never\n")
    source.put("users", make_user(1), make_user(2))
    clerk_command("backfill")
    sql.rows("UPDATE clerk.users SET source = 'webhook', seen_at = '2026-01-02T03:04Z' WHERE id = 'user_00001'")
    sql.rows("UPDATE users SET banned = true WHERE clerk_user_id = 'user_00001'")
    clerk_command("reconcile")
    sql.rows("UPDATE sync_runs SET finished_at = finished_at - interval '3 h' WHERE command = 'reconcile'")
    # One that is at work, or was interrupted, proves nothing.
    sql.rows("INSERT INTO sync_runs (command, kinds) VALUES ('reconcile', '{users}')")
    said = clerk_command("status").stdout
    assert re.search(r"^users +2 +0 +2026-01-02T03:04Z$", said, re.MULTILINE)
    assert re.search(r"^backfill: finished \d s ago \(run 1\)$", said, re.MULTILINE)
    assert re.search(r"^reconcile: finished 3 h ago \(run 2\), drift 1$", said, re.MULTILINE)


def test_readyz(server: Server, sql: Sql) -> None:
    """Whatever it says, requests can be served."""
    sql.rows(
        "INSERT INTO sync_runs (command, kinds, status, drift, finished_at) "
        "VALUES ('reconcile', '{users}', 'stopped', NULL, now() - interval '2 d')"
    )
    shown: dict[str, object] = {}
    while not shown:  # what was seen in the last 5 s counts
        answer = server.get("/readyz")
        assert answer.status_code == 200
        shown = answer.json()["sync"]["reconcile"] or {}
    assert (shown["status"], shown["drift"], answer.json()["sync"]["backfill"]) == ("stopped", None, None)
    assert 172_800 <= shown["age"] < 172_900  # type: ignore[operator]


@pytest.mark.parametrize(
    "arguments", [("--max-deletes", "5"), ("--max-deletes", "101%"), ("--every", "1 hour"), ("--only", "x")]
)
def test_wrong_option(source_app: Flask, arguments: tuple[str, ...]) -> None:
    result = source_app.test_cli_runner().invoke(args=["clerk", "reconcile", *arguments])
    assert (result.exit_code, "Invalid value" in result.stderr) == (2, True)


@pytest.mark.parametrize("command", ["backfill", "reconcile", "status"])
def test_help_has_an_example(app: Flask, command: str) -> None:
    text = app.test_cli_runner().invoke(args=["clerk", command, "--help"]).stdout
    assert f"\n  Example:\n    flask --app wsgi clerk {command}" in text
