"""`flask clerk reconcile`: what differs is found and repaired, and nobody is deleted by mistake."""

import json
from typing import Any

import pytest
from flask import Flask

from backend.services.clerk.mirror.kinds import KINDS
from tests.mirror.conftest import Clerk
from tests.mirror.source import AT, Query, Source, make_item, make_user, some_of_each_kind
from tests.support.clerk import now_ms
from tests.support.clerk_api import answer_with, refuse_with
from tests.support.database import Sql

NOTHING = {"missing": 0, "stale": 0, "extra": 0, "diverged": 0, "repaired": 0}
LIVE = "SELECT count(*) FROM users WHERE deleted_at IS NULL"


class Reconcile:
    def __init__(self, command: Clerk) -> None:
        self._command = command

    def __call__(self, *arguments: str, status: int) -> dict[str, Any]:
        """The JSON; what the command said besides is in `said`."""
        result = self._command("reconcile", "--json", *arguments)
        self.said = result.stderr
        assert result.exit_code == status, result.output
        found: dict[str, Any] = json.loads(result.stdout or "null")
        return found


@pytest.fixture
def reconcile(clerk_command: Clerk) -> Reconcile:
    return Reconcile(clerk_command)


@pytest.fixture
def forty(clerk_command: Clerk, source: Source) -> Source:
    """Forty users, here as at Clerk."""
    source.put("users", *(make_user(number) for number in range(40)))
    assert clerk_command("backfill").exit_code == 0
    return source


def users(checked: int = 40, **counts: int) -> dict[str, Any]:
    found = {"checked": checked, **NOTHING, **counts}
    differences = found["missing"] + found["stale"] + found["extra"] + found["diverged"]
    return {"kinds": {"users": found}, "drift": differences - found["repaired"]}


ONLY_USERS = ("--only", "users")


class TestFinds:
    def test_nothing(self, reconcile: Reconcile, clerk_command: Clerk, source: Source, sql: Sql) -> None:
        for kind, objects in some_of_each_kind().items():
            source.put(kind, *objects)
        clerk_command("backfill")
        before = sql.rows("SELECT *, xmin::text FROM clerk.users ORDER BY id")
        expected = {"checked": 2, **NOTHING}
        assert reconcile("--apply", status=0) == {"kinds": dict.fromkeys(KINDS, expected), "drift": 0}
        assert sql.rows("SELECT *, xmin::text FROM clerk.users ORDER BY id") == before

    @pytest.mark.parametrize(
        "wrong",
        ["DELETE FROM clerk.users WHERE id = 'user_00007'", "DELETE FROM users WHERE clerk_user_id = 'user_00007'"],
    )
    def test_missing(self, reconcile: Reconcile, forty: Source, sql: Sql, wrong: str) -> None:
        del forty
        if "DELETE FROM users" in wrong:
            sql.rows("DELETE FROM usage_metrics; DELETE FROM subscriptions")
        sql.rows(wrong)
        self._is_found_and_repaired(reconcile, "missing")

    @pytest.mark.parametrize(
        "wrong",
        [
            "UPDATE clerk.users SET updated_at = to_timestamp(1) WHERE id = 'user_00007'",
            # It would keep all that follows away.
            "UPDATE clerk.users SET updated_at = '9999-01-01' WHERE id = 'user_00007'",
        ],
    )
    def test_stale(self, reconcile: Reconcile, forty: Source, sql: Sql, wrong: str) -> None:
        del forty
        sql.rows(wrong)
        self._is_found_and_repaired(reconcile, "stale")

    @pytest.mark.parametrize(
        "wrong",
        [
            "UPDATE clerk.users SET data = jsonb_set(data, '{first_name}', '\"x\"') WHERE id = 'user_00007'",
            "UPDATE clerk.users SET data = data - 'email_addresses' WHERE id = 'user_00007'",
            *(
                f"UPDATE users SET {change} WHERE clerk_user_id = 'user_00007'"
                for change in (
                    "banned = true",
                    "email = 'x@example.com'",
                    "email_verified = false",
                    "external_id = '9'",
                )
            ),
        ],
    )
    def test_diverged(self, reconcile: Reconcile, forty: Source, sql: Sql, wrong: str) -> None:
        del forty
        sql.rows(wrong)
        self._is_found_and_repaired(reconcile, "diverged")

    @pytest.mark.parametrize("is_only_a_token", [False, True])
    def test_extra(self, reconcile: Reconcile, forty: Source, sql: Sql, *, is_only_a_token: bool) -> None:
        """Also a user of whom only a token or an older release told: API keys of the gone user must end."""
        forty.remove("users", "user_00007")
        if is_only_a_token:
            sql.rows("DELETE FROM clerk.users WHERE id = 'user_00007'")
        assert reconcile(*ONLY_USERS, status=1) == users(39, extra=1)
        assert sql.value(LIVE) == 40
        assert reconcile(*ONLY_USERS, "--apply", status=0) == users(39, extra=1, repaired=1)
        row = sql.user("user_00007")
        assert (row["deleted_at"] is None, row["email"]) == (False, None)
        assert sql.value("SELECT details ->> 'reason' FROM audit_events WHERE action = 'user.deleted'") == (
            "unknown at Clerk"
        )
        assert reconcile(*ONLY_USERS, status=0) == users(39)

    def _is_found_and_repaired(self, reconcile: Reconcile, how: str) -> None:
        assert reconcile(*ONLY_USERS, status=1) == users(**{how: 1})
        assert reconcile(*ONLY_USERS, status=1) == users(**{how: 1})
        assert reconcile(*ONLY_USERS, "--apply", status=0) == users(**{how: 1, "repaired": 1})
        assert reconcile(*ONLY_USERS, status=0) == users()

    def test_each_kind(self, reconcile: Reconcile, clerk_command: Clerk, source: Source) -> None:
        """Of each one object is stale and one is not at Clerk any more."""
        for kind, objects in some_of_each_kind().items():
            source.put(kind, *objects)
        clerk_command("backfill")
        for kind, objects in some_of_each_kind().items():
            if kind not in ("users", "organizations"):
                source.remove(kind, objects[0]["id"])
                source.put(kind, objects[1] | {"updated_at": AT + 1, "status": "canceled"})
        found = reconcile("--apply", "--max-deletes", "50%", status=0)
        expected = {"checked": 1, **NOTHING, "stale": 1, "extra": 1, "repaired": 2}
        for kind in KINDS.keys() - {"users", "organizations", "subscriptions"}:
            assert found["kinds"][kind] == expected, kind
        assert found["kinds"]["subscriptions"] == {"checked": 1, **NOTHING, "extra": 1, "repaired": 1}
        assert reconcile(status=0)["drift"] == 0

    def test_what_is_volatile_is_none(self, reconcile: Reconcile, forty: Source) -> None:
        forty.put("users", make_user(7) | {"last_active_at": now_ms(), "image_url": "https://img.clerk.com/x"})
        assert reconcile(*ONLY_USERS, status=0) == users()

    def test_address_of_a_newer_user_is_as_decided(self, reconcile: Reconcile, forty: Source, sql: Sql) -> None:
        """Both have it verified at Clerk, as while one is being deleted; here the newer one has."""
        forty.put("users", make_user(7) | {"email_addresses": make_user(8)["email_addresses"]})
        old, new = make_user(7, at=AT + 100), make_user(8, at=AT + 200)
        forty.put("users", old | {name: new[name] for name in ("email_addresses", "primary_email_address_id")}, new)
        reconcile(*ONLY_USERS, "--apply", status=0)
        assert reconcile(*ONLY_USERS, status=0) == users()
        assert [sql.user(f"user_0000{number}")["email_verified"] for number in (7, 8)] == [False, True]

    def test_tombstone_of_somebody_who_lives(self, reconcile: Reconcile, forty: Source, sql: Sql) -> None:
        """A delete is final: it stays visible as drift."""
        del forty
        sql.rows("UPDATE users SET deleted_at = now(), is_active = false WHERE clerk_user_id = 'user_00007'")
        sql.rows("UPDATE clerk.users SET deleted_at = now(), data = NULL WHERE id = 'user_00007'")
        assert reconcile(*ONLY_USERS, "--apply", status=1) == users(missing=1)

    def test_output_without_personal_data(self, clerk_command: Clerk, forty: Source, sql: Sql) -> None:
        forty.remove("users", "user_00000")
        sql.rows("UPDATE users SET banned = true WHERE user_id > 20")
        result = clerk_command("reconcile", *ONLY_USERS)
        assert result.exit_code == 1
        assert "users extra: user_00000" in result.stdout
        assert "users diverged: " in result.stdout
        assert "and 15 more" in result.stdout
        assert "drift: 21" in result.stdout
        assert "@" not in result.output


class TestWhileUsersChange:
    def test_changed_after_the_run_began(self, reconcile: Reconcile, forty: Source) -> None:
        """Their events are on the way."""

        def change(path: str, query: Query) -> None:
            if path == "users" and "starting_after" in query:
                forty.put("users", make_user(25, at=now_ms()), make_user(5, at=now_ms()), make_user(60, at=now_ms()))

        forty.before = change
        assert reconcile(*ONLY_USERS, "--apply", status=0) == users(41)

    def test_deleted_after_it_was_listed(self, reconcile: Reconcile, forty: Source, sql: Sql) -> None:
        sql.rows("DELETE FROM clerk.users WHERE id = 'user_00003'")

        def delete(path: str, query: Query) -> None:
            if path == "users" and "starting_after" in query:
                forty.remove("users", "user_00003")

        forty.before = delete
        assert reconcile(*ONLY_USERS, status=0) == users(40)

    def test_extra_is_asked_for_by_id(self, reconcile: Reconcile, forty: Source, sql: Sql) -> None:
        """It was left out of the list, and is there."""

        def leave_out(path: str, query: Query) -> Any:
            if path == "users/count":
                return answer_with({"total_count": 38})
            left = [each for each in forty.held["users"] if each["id"] not in ("user_00003", "user_00013")]
            return answer_with(left[20:] if "starting_after" in query else left[:20]) if path == "users" else None

        forty.before = leave_out
        assert reconcile(*ONLY_USERS, "--apply", status=0) == users(38)
        assert (forty.asked_for("users/user_00003"), sql.value(LIVE)) == (["/v1/users/user_00003"], 40)


class TestDeletesNobody:
    def stops(self, reconcile: Reconcile, sql: Sql, *said: str) -> None:
        assert reconcile(*ONLY_USERS, "--apply", status=1) is None
        assert all(each in reconcile.said for each in said), reconcile.said
        assert sql.value(LIVE) == 40
        assert sql.value("SELECT count(*) FROM clerk.users WHERE deleted_at IS NULL") == 40

    def test_empty_list(self, reconcile: Reconcile, forty: Source, sql: Sql) -> None:
        forty.held["users"].clear()
        self.stops(reconcile, sql, "list of users is empty", "40 are live here")
        assert sql.value("SELECT status FROM sync_runs ORDER BY run_id DESC LIMIT 1") == "stopped"

    @pytest.mark.parametrize("length", [0, 1, 39])
    def test_list_that_is_cut(self, reconcile: Reconcile, forty: Source, sql: Sql, length: int) -> None:
        def cut(path: str, query: Query) -> Any:
            if path != "users":
                return None
            start = 20 if "starting_after" in query else 0
            return answer_with(forty.held["users"][start : min(length, start + 20)])

        forty.before = cut
        self.stops(reconcile, sql, "nothing was deleted")

    def test_list_of_another_kind_that_is_cut(
        self, reconcile: Reconcile, clerk_command: Clerk, source: Source, sql: Sql
    ) -> None:
        source.put("roles", *({"id": f"role_{number}", "key": "k", "updated_at": AT} for number in range(10)))
        clerk_command("backfill")
        cut = answer_with({"data": source.held["organization_roles"][:5], "total_count": 10})
        source.before = lambda path, _: cut if path == "organization_roles" else None
        assert reconcile("--apply", "--max-deletes", "100%", status=1) is None
        assert "Clerk counts 10 roles and listed 5" in reconcile.said
        assert sql.value("SELECT count(*) FROM clerk.roles WHERE deleted_at IS NULL") == 10

    def test_404_for_all(self, reconcile: Reconcile, forty: Source, sql: Sql) -> None:
        forty.before = lambda _path, _query: refuse_with("resource_not_found", 404)
        self.stops(reconcile, sql, "answered 404")

    @pytest.mark.parametrize(
        "answer", [answer_with({"message": "no such page"}, 404), refuse_with("forbidden", 403), answer_with({}, 410)]
    )
    def test_404_that_is_not_of_clerk(self, reconcile: Reconcile, forty: Source, sql: Sql, answer: Any) -> None:
        forty.remove("users", "user_00003")
        forty.before = lambda path, _: answer if path == "users/user_00003" else None
        self.stops(reconcile, sql, "Clerk's Backend API answered")

    def test_more_than_may_be(self, reconcile: Reconcile, forty: Source, sql: Sql) -> None:
        forty.remove("users", *(f"user_{number:05}" for number in range(3)))
        self.stops(reconcile, sql, "3 of 40 users", "--max-deletes")
        assert forty.asked_for("users/user_") == []
        assert reconcile(*ONLY_USERS, "--apply", "--max-deletes", "7.5%", status=0) == users(37, extra=3, repaired=3)

    def test_feature_that_was_switched_off(
        self, reconcile: Reconcile, clerk_command: Clerk, source: Source, sql: Sql
    ) -> None:
        for kind, objects in some_of_each_kind().items():
            source.put(kind, *objects)
        clerk_command("backfill")
        off = refuse_with("organization_not_enabled_in_instance", 403)
        source.before = lambda path, _: off if path.startswith("organization") else None
        found = reconcile("--apply", status=0)
        assert "organizations" not in found["kinds"]
        assert sql.value("SELECT count(*) FROM clerk.organization_memberships WHERE deleted_at IS NULL") == 2

    def test_items_that_are_over_are_history(
        self, reconcile: Reconcile, clerk_command: Clerk, source: Source, sql: Sql
    ) -> None:
        """Clerk need not list them."""
        source.put("users", make_user(1))
        ended = make_item("user_00001", id="csubitem_old", status="ended")
        source.put("subscription_items", make_item("user_00001"), ended)
        clerk_command("backfill")
        source.remove("subscription_items", "csubitem_old")
        assert reconcile("--apply", status=0)["drift"] == 0
        assert sql.value("SELECT count(*) FROM clerk.subscription_items WHERE deleted_at IS NULL") == 2


class TestOneAtATime:
    def test_another_is_at_work(self, reconcile: Reconcile, forty: Source, sql: Sql) -> None:
        del forty
        sql.rows("INSERT INTO sync_runs (command, kinds, kind) VALUES ('reconcile', '{users}', 'users')")
        assert reconcile(*ONLY_USERS, status=1) is None
        assert "Another reconcile is at work" in reconcile.said
        sql.rows("UPDATE sync_runs SET heartbeat_at = now() - interval '3 min', asks_at = now() - interval '3 min'")
        assert reconcile(*ONLY_USERS, status=0) == users()
        assert sql.value("SELECT status FROM sync_runs WHERE error = 'was killed'") == "interrupted"

    def test_taken_over(self, clerk_command: Clerk, source_app: Flask, forty: Source, sql: Sql) -> None:
        """A second backfill goes on with the run; the first one writes nothing any more."""
        del source_app
        forty.put("users", *(make_user(number) for number in range(40, 60)))

        def take_over(_path: str, query: Query) -> None:
            if query.get("starting_after") == ["user_00039"]:
                sql.rows("UPDATE sync_runs SET attempts = attempts + 1 WHERE status = 'running'")

        forty.before = take_over
        result = clerk_command("backfill", *ONLY_USERS)
        assert (result.exit_code, "another process goes on" in result.stderr) == (1, True)
        assert sql.value(LIVE) == 40
