"""`flask clerk backfill`: all that Clerk has comes in, whatever happens on the way."""

from datetime import UTC, datetime
from typing import Any

import pytest

from backend.services.clerk.client.lists import LISTS
from backend.services.clerk.mirror.kinds import KINDS
from tests.mirror.conftest import Clerk
from tests.mirror.source import AT, Query, Source, make_item, make_user, some_of_each_kind
from tests.support.billing import plan
from tests.support.clerk_api import answer_with, hang_up, refuse_with
from tests.support.database import Sql

RUNS = "SELECT command, status, kind, attempts, counts, error FROM sync_runs ORDER BY run_id"


def counted(output: str) -> dict[str, list[int]]:
    rows = [line.split() for line in output.splitlines() if line and not line.startswith("KIND")]
    return {row[0]: [int(number) for number in row[1:]] for row in rows}


def ids(sql: Sql, kind: str) -> list[str]:
    return [row["id"] for row in sql.rows(f"SELECT id FROM clerk.{kind} WHERE deleted_at IS NULL ORDER BY id")]


def test_each_kind_has_a_list() -> None:
    assert list(LISTS) == list(KINDS)


class TestAll:
    def test_each_kind(self, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        for kind, objects in some_of_each_kind().items():
            source.put(kind, *objects)
        result = clerk_command("backfill")
        assert result.exit_code == 0, result.output
        assert counted(result.stdout) == {kind: [2, 2, 0] for kind in KINDS if kind != "subscription_items"} | {
            "subscription_items": [2, 0, 0]  # they came with their subscriptions
        }
        for kind, objects in some_of_each_kind().items():
            assert ids(sql, kind) == sorted(each["id"] for each in objects)
        assert ids(sql, "subscriptions") == ["csub_user_00001", "csub_user_00002"]
        assert {row["source"] for row in sql.rows("SELECT source FROM clerk.subscription_items")} == {"backfill"}
        assert sql.rows("SELECT DISTINCT provisioned_by, plan FROM users JOIN subscriptions USING (user_id)") == [
            {"provisioned_by": "backfill", "plan": "pro"}
        ]
        again = clerk_command("backfill")
        assert {row[1] for row in counted(again.stdout).values()} == {0}

    def test_items_alone(self, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        source.put("users", make_user(1))
        source.put("subscription_items", make_item("user_00001"))
        assert clerk_command("backfill", "--only", "users", "--only", "subscription_items").exit_code == 0
        assert sql.value("SELECT subscription_id FROM clerk.subscription_items") == "csub_user_00001"
        assert plan(sql) == ("pro", "active")

    def test_newer_and_deleted_stay(self, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        source.put("users", *(make_user(number) for number in range(3)))
        clerk_command("backfill")
        sql.rows(
            "UPDATE clerk.users SET updated_at = now(), data = jsonb_set(data, '{first_name}', '\"new\"') "
            "WHERE id = 'user_00001'"
        )
        sql.rows("UPDATE clerk.users SET deleted_at = now(), data = NULL WHERE id = 'user_00002'")
        assert counted(clerk_command("backfill").stdout) == {**{kind: [0, 0, 0] for kind in KINDS}, "users": [3, 0, 0]}
        assert [row["first_name"] for row in sql.rows("SELECT first_name FROM clerk.users ORDER BY id")] == [
            *(None, "new", None)
        ]
        assert ids(sql, "users") == ["user_00000", "user_00001"]

    def test_dry_run(self, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        source.put("users", *(make_user(number) for number in range(45)))
        result = clerk_command("backfill", "--dry-run", "--only", "users")
        assert (result.exit_code, counted(result.stdout)) == (0, {"users": [45, 45, 0]})
        assert "TO_WRITE" in result.stdout
        assert sql.value("SELECT count(*) FROM users") + len(ids(sql, "users")) == 0
        clerk_command("backfill")
        assert counted(clerk_command("backfill", "--dry-run", "--only", "users").stdout) == {"users": [45, 0, 0]}

    def test_since(self, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        source.put("users", *(make_user(number, at=AT + number * 86_400_000) for number in range(100)))
        since = datetime.fromtimestamp(AT / 1000 + 50 * 86_400, UTC)
        result = clerk_command("backfill", "--only", "users", "--since", f"{since:%Y-%m-%dT%H:%M:%S}")
        assert result.exit_code == 0
        assert {f"user_{number:05}" for number in range(50, 100)} <= set(ids(sql, "users"))
        assert len(source.asked_for("users?")) == 3

    def test_unusable(self, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        source.put("users", make_user(1), make_user(2, first_name=7), make_user(3))
        result = clerk_command("backfill", "--only", "users")
        assert (result.exit_code, counted(result.stdout)) == (1, {"users": [3, 2, 1]})
        assert "user_00002" in result.stderr
        assert "first_name" in result.stderr
        assert ids(sql, "users") == ["user_00001", "user_00003"]

    @pytest.mark.parametrize(("status", "code"), [(403, "organization_not_enabled_in_instance"), (404, "not_found")])
    def test_feature_that_is_off(self, clerk_command: Clerk, source: Source, status: int, code: str) -> None:
        source.put("users", make_user(1))
        source.before = lambda path, _: refuse_with(code, status) if not path.startswith(("users", "jwks")) else None
        result = clerk_command("backfill")
        assert (result.exit_code, counted(result.stdout)) == (0, {"users": [1, 1, 0]})
        assert f"organizations: left out, this Clerk instance has none ({code})" in result.stderr


class TestOnTheWay:
    def test_goes_on(self, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        """Clerk fails for good in the third page: what came before stays, and is not asked for again."""
        source.put("users", *(make_user(number) for number in range(100)))

        def fail(_path: str, query: Query) -> Any:
            return answer_with({}, 500) if query.get("starting_after") == ["user_00039"] else None

        source.before = fail
        result = clerk_command("backfill", "--only", "users")
        assert result.exit_code == 1
        assert "Clerk's Backend API answered 500" in result.stderr
        assert len(ids(sql, "users")) == 40
        assert sql.row(RUNS)["status"] == "interrupted"
        source.before, source.asked = (lambda _path, _query: None), []
        result = clerk_command("backfill", "--only", "users")
        assert (result.exit_code, counted(result.stdout)) == (0, {"users": [100, 100, 0]})
        assert len(source.asked_for("users?")) == 4
        row = sql.row(RUNS)
        assert (row["status"], row["attempts"], row["error"]) == ("finished", 2, None)

    def test_run_of_yesterday_is_not_continued(self, clerk_command: Clerk, sql: Sql) -> None:
        sql.rows(
            "INSERT INTO sync_runs (command, kinds, status, kind, heartbeat_at) "
            "VALUES ('backfill', '{users}', 'interrupted', 'users', now() - interval '25 h')"
        )
        assert clerk_command("backfill", "--only", "users").exit_code == 0
        assert [row["status"] for row in sql.rows(RUNS)] == ["interrupted", "finished"]

    @pytest.mark.parametrize(
        "fault",
        [refuse_with("too_many_requests", 429, Retry_After="0"), answer_with({}, 502), hang_up, answer_with(b"<html>")],
    )
    def test_passing_faults(self, clerk_command: Clerk, source: Source, fault: Any) -> None:
        source.put("users", *(make_user(number) for number in range(45)))
        answered: list[str] = []

        def fail_first(path: str, query: Query) -> Any:
            page = f"{path} {query}"
            answered.append(page)
            return fault if path == "users" and answered.count(page) == 1 else None

        source.before = fail_first
        result = clerk_command("backfill", "--only", "users")
        assert (result.exit_code, counted(result.stdout)) == (0, {"users": [45, 45, 0]})

    def test_cursor_that_is_gone(self, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        """The last users of a page are deleted before the next one is asked for."""
        source.put("users", *(make_user(number) for number in range(60)))
        deleted: list[str] = []

        def delete(_path: str, query: Query) -> None:
            if query.get("starting_after") == ["user_00019"]:
                deleted.append("user_00019")
            if query.get("starting_after", [""])[0] >= "user_00037":
                deleted.extend(f"user_{number:05}" for number in range(37, 40))
            source.remove("users", *deleted)

        source.before = delete
        assert clerk_command("backfill", "--only", "users").exit_code == 0
        assert {f"user_{number:05}" for number in range(60)} - set(deleted) <= set(ids(sql, "users"))

    def test_offset_after_deletions(self, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        """What is deleted between two pages moves the rest to where we have been already."""
        source.put("roles", *({"id": f"role_{number:03}", "key": "k", "updated_at": AT} for number in range(100)))
        deleted = [f"role_{number:03}" for number in range(5, 30)]

        def delete(path: str, query: Query) -> None:
            if path == "organization_roles" and query.get("offset", ["0"]) != ["0"]:
                source.remove("roles", *deleted)

        source.before = delete
        assert clerk_command("backfill", "--only", "roles").exit_code == 0
        assert {f"role_{number:03}" for number in range(100)} - set(deleted) <= set(ids(sql, "roles"))

    def test_same_page_for_ever(self, clerk_command: Clerk, source: Source) -> None:
        source.put("users", *(make_user(number) for number in range(60)))
        source.before = lambda path, _: answer_with(source.held["users"][:20]) if path == "users" else None
        result = clerk_command("backfill", "--only", "users")
        assert (result.exit_code, "the same page twice" in result.stderr) == (1, True)

    def test_page_with_an_object_twice(self, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        source.put("users", *(make_user(number) for number in range(45)))
        held = source.held["users"]
        held.insert(3, held[3])
        assert clerk_command("backfill", "--only", "users").exit_code == 0
        assert len(ids(sql, "users")) == 45


class TestWhatIsRefused:
    def test_without_a_key(self, app: Any) -> None:
        result = app.test_cli_runner().invoke(args=["clerk", "backfill"])
        assert (result.exit_code, "CLERK_SECRET_KEY: not set" in result.stderr) == (1, True)

    @pytest.mark.parametrize("command", ["backfill", "reconcile"])
    def test_key_of_another_instance(
        self, clerk_command: Clerk, source: Source, clerk: Any, sql: Sql, command: str
    ) -> None:
        other = type(clerk)()
        source.put("users", make_user(1))
        source.before = lambda path, _: answer_with({"keys": [other.jwk]}) if path == "jwks" else None
        result = clerk_command(command)
        assert (result.exit_code, "another Clerk instance" in result.stderr) == (1, True)
        assert sql.value("SELECT count(*) FROM users") == 0

    def test_404_for_all(self, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        source.before = lambda _path, _query: refuse_with("resource_not_found", 404)
        result = clerk_command("backfill")
        assert (result.exit_code, "answered 404" in result.stderr) == (1, True)
        assert sql.row(RUNS)["status"] == "interrupted"
