"""`flask --app wsgi webhooks`: events in the ledger, and applying them again, by hand and by themselves."""

import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from backend.container import Services
from backend.server import event_retries
from backend.server.event_retries import EventRetries
from backend.services.clerk.webhooks import events
from backend.services.clerk.webhooks.events import SECRET_TYPES
from backend.services.clerk.webhooks.ledger import MAX_ATTEMPTS
from backend.services.purge import PAYLOADS_KEPT
from tests.support.admins import add_user
from tests.support.billing import alone
from tests.support.clerk import Instance, event, user_data
from tests.support.commands import make_app
from tests.support.database import Sql, holding
from tests.support.fixtures import Receive, StartServer
from tests.support.purging import Purge
from tests.support.traffic import in_parallel
from tests.support.waiting import wait_for

ADDRESS = "ada@example.com"
COMMANDS = ("list", "show", "replay")
Webhooks = Callable[..., Result]


@pytest.fixture
def webhooks(app: Flask, sql: Sql) -> Webhooks:  # noqa: ARG001 - the tables are to be empty
    return partial(run, app)


def run(app: Flask, *arguments: str) -> Result:
    result = app.test_cli_runner().invoke(args=["webhooks", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def put(sql: Sql, event_id: str, body: bytes | str | None, status: str = "dead", *, ago: str = "1 hour") -> None:
    """An event as an older release left it, that did not know better."""
    text = body.decode() if isinstance(body, bytes) else body
    envelope: dict[str, Any] = json.loads(text) if text else {"type": "user.created", "data": {}}
    sql.rows(
        "INSERT INTO webhook_events (event_id, source, type, subject_id, status, payload, received_at, processed_at) "
        "VALUES (%s, 'svix', %s, %s, %s, %s, now() - %s::interval, now() - %s::interval)",
        *(event_id, envelope["type"], envelope["data"].get("id"), status, text, ago, ago),
    )


def states(sql: Sql) -> dict[str, str]:
    return {row["event_id"]: row["status"] for row in sql.rows("SELECT event_id, status FROM webhook_events")}


def created(number: int) -> bytes:
    return event("user.created", user_data(f"user_{number}", email=f"ada{number}@example.com"))


class TestList:
    def test_help(self, webhooks: Webhooks) -> None:
        for command in COMMANDS:
            assert f"\n    flask --app wsgi webhooks {command}" in webhooks(command, "--help").stdout

    def test_filters(self, webhooks: Webhooks, sql: Sql, receive: Receive) -> None:
        user_id = add_user(sql, clerk_user_id="user_ada", email=ADDRESS)
        receive(1, "user.updated", user_data("user_ada", email=ADDRESS))
        receive(2, "user.updated", {"id": "user_ada"})
        receive(3, "paymentAttempt.updated", {"id": "pay_1"})
        receive(4, "organization.created", {"id": "org_1", "updated_at": 1})
        sql.rows("UPDATE webhook_events SET received_at = now() - interval '3 days' WHERE event_id = 'msg_1'")

        def found(*options: str) -> list[str]:
            listed = json.loads(webhooks("list", "--json", *options).stdout)["events"]
            return [one["event_id"] for one in listed]

        assert found() == ["msg_4", "msg_3", "msg_2", "msg_1"]
        assert found("--limit", "1") == ["msg_4"]
        assert found("--status", "dead", "--status", "ignored") == ["msg_3", "msg_2"]
        assert found("--type", "user.updated") == ["msg_2", "msg_1"]
        assert found("--user", "user_ada") == found("--user", ADDRESS) == found("--user", str(user_id))
        assert found("--user", "user_ada", "--since", "2d") == ["msg_2"]
        assert found("--user", "org_1") == ["msg_4"]
        day = datetime.now(UTC) - timedelta(days=2)
        assert found("--since", f"{day:%Y-%m-%d}") == found("--since", f"{day:%Y-%m-%dT%H:%MZ}") == found()[:3]

    def test_table(self, webhooks: Webhooks, receive: Receive) -> None:
        receive(1, "user.updated", {"id": "user_ada", "email": ADDRESS})
        heading, line = webhooks("list").stdout.splitlines()
        assert heading.split() == ["RECEIVED_AT", "EVENT_ID", "TYPE", "SUBJECT_ID", "STATUS", "ATTEMPTS", "ERROR"]
        _, *rest = re.split(r"  +", line)
        assert rest == ["msg_1", "user.updated", "user_ada", "dead", "1", "data.updated_at: Field required"]

    @pytest.mark.parametrize("since", ["yesterday", "7", "7 d", "-7d", "0x10d", "99999999d", "2026-02-30"])
    def test_wrong_time(self, webhooks: Webhooks, since: str) -> None:
        result = webhooks("list", "--since", since)
        assert (result.exit_code, "takes 30min, 12h, 7d" in result.stderr) == (2, True)

    def test_user_who_is_nobody(self, webhooks: Webhooks) -> None:
        result = webhooks("list", "--user", "eve@example.com")
        assert (result.exit_code, "There is no live user" in result.stderr) == (1, True)


class TestShow:
    def test_ids_and_not_the_payload(self, webhooks: Webhooks, sql: Sql) -> None:
        """Of an event that nobody knows: whom it is about, and nothing else of them."""
        data = {
            "user": user_data("user_kept", email=ADDRESS, external_id="ada_byron", first_name="Ada"),
            "deleted_user": {"id": "user_2gone", "organization_ids": ["org_1", "org_2"]},
            "note_id": "Ada Byron",
        }
        put(sql, "msg_1", event("user.merged", data), "ignored")
        told = webhooks("show", "msg_1").stdout
        lines = {tuple(re.split(r"  +", line)) for line in told.splitlines()}
        assert {("status", "ignored"), ("type", "user.merged"), ("data.user.id", "user_kept")} <= lines
        assert {("data.deleted_user.id", "user_2gone"), ("data.deleted_user.organization_ids.1", "org_2")} <= lines
        for personal in (ADDRESS, "ada_byron", "Ada"):
            assert personal not in told
        whole = webhooks("show", "msg_1", "--payload").stdout
        assert json.loads(whole.splitlines()[-1])["data"] == data

    def test_without_payload(self, webhooks: Webhooks, receive: Receive) -> None:
        receive(1, "user.created", user_data("user_ada", email=ADDRESS))
        told = webhooks("show", "msg_1", "--payload").stdout
        assert re.search(r"^payload +not kept$", told, re.MULTILINE)
        assert ADDRESS not in told

    def test_what_cannot_be_read(self, webhooks: Webhooks, sql: Sql) -> None:
        put(sql, "msg_1", None)
        sql.rows("UPDATE webhook_events SET type = NULL, payload = '[[\x1b[31m'")
        told = webhooks("show", "msg_1", "--payload").stdout
        assert told.endswith("\n[[?[31m\n")

    def test_unknown(self, webhooks: Webhooks) -> None:
        for command in ("show", "replay"):
            result = webhooks(command, "msg_1\x00")
            assert (result.exit_code, "There is no such event" in result.stderr) == (1, True)


class TestReplay:
    def test_one(self, webhooks: Webhooks, sql: Sql) -> None:
        put(sql, "msg_1", created(1))
        put(sql, "msg_2", created(2), "failed")
        result = webhooks("replay", "msg_1")
        assert (result.exit_code, result.stdout) == (0, "1 applied\n")
        assert states(sql) == {"msg_1": "applied", "msg_2": "failed"}
        ledger = sql.row("SELECT attempts, error, payload FROM webhook_events WHERE event_id = 'msg_1'")
        assert ledger == {"attempts": 2, "error": None, "payload": None}
        assert sql.user("user_1")["email"] == "ada1@example.com"
        again = webhooks("replay", "msg_1")
        assert (again.exit_code, "It is applied, and cannot be applied again" in again.stderr) == (1, True)

    def test_all_of_a_status_and_time(self, webhooks: Webhooks, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
        """Over several pages, what stays dead among them."""
        monkeypatch.setattr("backend.services.clerk.webhooks.replay.PAGE", 3)
        for number in range(8):
            put(sql, f"msg_{number}", created(number) if number % 4 else event("user.created", {}))
        put(sql, "msg_failed", created(100), "failed")
        put(sql, "msg_old", created(101), ago="5 days")
        arguments = ("replay", "--status", "dead", "--since", "2d")
        assert webhooks(*arguments, "--dry-run").stdout == "8 to apply again\n"
        assert set(states(sql).values()) == {"dead", "failed"}
        result = webhooks(*arguments)
        assert (result.exit_code, result.stdout) == (1, "6 applied, 2 dead\n")
        assert (states(sql)["msg_failed"], states(sql)["msg_old"]) == ("failed", "dead")
        assert webhooks("replay", "--status", "dead", "--status", "failed").stdout == "2 applied, 2 dead\n"
        assert webhooks("replay", "--status", "failed").stdout == "none\n"

    def test_what_nobody_had_a_handler_for(
        self, webhooks: Webhooks, sql: Sql, receive: Receive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Kept; and applied once there is one, also when it is sent again."""
        handlers = {name: apply for name, apply in events.EVENT_TYPES.items() if name != "user.updated"}
        with monkeypatch.context() as older:
            for module in ("events", "ledger", "replay"):
                older.setattr(f"backend.services.clerk.webhooks.{module}.EVENT_TYPES", handlers)
            for number in (1, 2):
                assert receive(number, "user.updated", user_data(f"user_{number}", updated_at=1_000)) == "ignored"
            assert receive(2, "user.updated", user_data("user_2", updated_at=1_000)) == "duplicate"
            result = webhooks("replay", "msg_1")
            assert (result.exit_code, "nothing is done with its type" in result.stderr) == (1, True)
            assert webhooks("replay", "--status", "ignored").stdout == "none\n"
        assert receive(2, "user.updated", user_data("user_2", updated_at=1_000)) == "applied"
        assert webhooks("replay", "--status", "ignored").stdout == "1 applied\n"
        assert states(sql) == {"msg_1": "applied", "msg_2": "applied"}

    def test_newer_state_stays(self, webhooks: Webhooks, sql: Sql, receive: Receive) -> None:
        put(sql, "msg_1", event("user.created", user_data("user_1", updated_at=1_000, first_name="Old")))
        receive(2, "user.updated", user_data("user_1", updated_at=2_000, first_name="New"))
        assert webhooks("replay", "msg_1").stdout == "1 stale\n"
        assert sql.user("user_1")["first_name"] == "New"

    def test_time_of_an_event_from_a_clock_ahead_of_ours(self, webhooks: Webhooks, sql: Sql) -> None:
        """It came before it was signed, by our clock. Its times count as they did then."""
        at = datetime.now(UTC) - timedelta(minutes=58)
        ms = int(at.timestamp()) * 1000
        put(sql, "msg_1", event("user.created", user_data("user_1", updated_at=ms), timestamp=ms))
        sql.rows("UPDATE webhook_events SET occurred_at = %s", at)
        assert webhooks("replay", "msg_1").stdout == "1 applied\n"
        assert int(sql.user("user_1")["clerk_updated_at"].timestamp()) * 1000 == ms

    def test_of_another_instance(self, settings: dict[str, str], sql: Sql) -> None:
        put(sql, "msg_1", event("user.created", user_data("user_1"), instance_id="ins_other"))
        ours = make_app(settings | {"CLERK_INSTANCE_ID": "ins_ours"})
        assert run(ours, "replay", "msg_1").stdout == "1 dead\n"
        # With a public key alone no event can be told from ours: from now on, but not from then.
        assert run(make_app(settings), "replay", "msg_1").stdout == "1 dead\n"
        retries_of(make_app(settings)).take_up()
        no_keys = {"CLERK_JWT_KEY": "", "CLERK_JWKS_URL": "http://127.0.0.1:1/jwks"}
        unknown = run(make_app({n: v for n, v in (settings | no_keys).items() if v}), "replay", "msg_1")
        assert (unknown.exit_code, "public keys cannot be fetched" in unknown.stderr) == (1, True)
        assert states(sql) == {"msg_1": "dead"}
        assert sql.value("SELECT count(*) FROM users") == 0

    def test_names_nothing(self, webhooks: Webhooks) -> None:
        result = webhooks("replay")
        assert (result.exit_code, "--status (dead, failed, ignored)" in result.stderr) == (2, True)

    def test_database_away(self, settings: dict[str, str]) -> None:
        away = make_app(settings | {"DATABASE_URL": "postgresql://x:y@127.0.0.1:1/z"})
        result = run(away, "replay", "--status", "dead")
        assert (result.exit_code, "The database cannot be used" in result.stderr) == (1, True)


class TestPayloads:
    @pytest.mark.parametrize("kind", sorted(SECRET_TYPES))
    def test_codes_are_never_kept(self, kind: str, sql: Sql, settings: dict[str, str], clerk: Instance) -> None:
        """Also of an event that could not be applied."""
        app = make_app(settings | {"CLERK_INSTANCE_ID": "ins_ours"})
        for instance_id, status in (("ins_ours", "ignored"), ("ins_other", "dead")):
            body = event(kind, {"id": "ema_1", "body": "424242"}, instance_id=instance_id)
            answer = app.test_client().post("/api/webhooks", data=body, headers=clerk.webhook_headers(body))
            assert answer.get_json() == {"status": status}
        assert sql.value("SELECT count(payload) FROM webhook_events") == 0

    def test_of_a_deleted_user(self, sql: Sql, receive: Receive) -> None:
        """What is ignored is personal data, too: it goes with the user, and is not kept afterwards."""
        paid = {"id": "pay_1", "payer": {"user_id": "user_1", "email": ADDRESS}}
        receive(1, "paymentAttempt.created", paid)
        assert sql.value("SELECT count(payload) FROM webhook_events") == 1
        receive(2, "user.deleted", {"id": "user_1"})
        receive(3, "paymentAttempt.updated", paid)
        assert states(sql)["msg_3"] == "ignored"
        assert sql.value("SELECT count(payload) FROM webhook_events") == 0

    def test_purge(self, purge: Purge, sql: Sql) -> None:
        days = PAYLOADS_KEPT.days
        for number, age in enumerate((f"{days} days -1 hour", f"{days} days 1 hour")):
            for status in ("ignored", "dead", "failed"):
                put(sql, f"msg_{status}_{number}", created(number), status, ago=age)
        assert "payloads of webhook_events: 1 to delete\n" in purge("--dry-run")
        assert "payloads of webhook_events: 1 deleted\n" in purge()
        assert sql.rows("SELECT event_id FROM webhook_events WHERE payload IS NULL") == [{"event_id": "msg_ignored_1"}]


class TestByThemselves:
    @pytest.fixture
    def retries(self, app: Flask, sql: Sql) -> EventRetries:  # noqa: ARG002 - the tables are to be empty
        return retries_of(app)

    def test_a_new_start_tries_all_once(self, retries: EventRetries, sql: Sql) -> None:
        """Its settings or its code may be what was missing."""
        put(sql, "msg_1", created(1))
        put(sql, "msg_2", created(2), "failed")
        put(sql, "msg_3", event("user.created", {}))
        put(sql, "msg_4", event("paymentAttempt.created", {}), "ignored")
        put(sql, "msg_5", None)
        assert not retries.take_up()
        now = {"msg_1": "applied", "msg_2": "applied", "msg_3": "dead", "msg_4": "ignored", "msg_5": "dead"}
        assert states(sql) == now
        sql.rows("UPDATE webhook_events SET processed_at = now() - interval '1 year'")
        retries.take_up()
        assert sql.value("SELECT attempts FROM webhook_events WHERE event_id = 'msg_3'") == 2

    def test_a_setting_that_was_missing(
        self, retries: EventRetries, sql: Sql, receive: Receive, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert receive(1, "subscriptionItem.active", alone("starter")) == "dead"
        retries.take_up()
        assert states(sql) == {"msg_1": "dead"}
        slugs = {"starter": "pro"}
        for module in ("clerk.billing", "clerk.billing_payloads"):
            monkeypatch.setattr(f"backend.services.{module}.CLERK_SLUGS", slugs)
        sql.rows("UPDATE webhook_events SET processed_at = now() - interval '1 second'")
        retries_of(app).take_up()
        assert states(sql) == {"msg_1": "applied"}

    def test_pauses(self, retries: EventRetries, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
        """A minute, twice as long each time, an hour at most; dead at last."""
        retries.take_up()
        put(sql, "msg_1", created(1), "failed")
        monkeypatch.setattr("backend.services.clerk.webhooks.ledger.apply_event", lambda *_: 1 / 0)
        tried = "SELECT attempts FROM webhook_events"
        for attempts, minutes in enumerate((1, 2, 4, 8, 16, 32, 64), start=1):
            for short, expected in ((1, attempts), (-1, attempts + 1)):
                ago = f"{minutes * 60 - short} seconds"
                retries._began_at -= 1e6  # it runs for long
                sql.rows("UPDATE webhook_events SET processed_at = now() - %s::interval", ago)
                retries.take_up()
                assert sql.value(tried) == expected, (minutes, short)
        assert (states(sql), sql.value(tried)) == ({"msg_1": "dead"}, MAX_ATTEMPTS)

    def test_several_workers(self, app: Flask, sql: Sql) -> None:
        for number in range(100):
            put(sql, f"msg_{number}", created(number) if number % 2 else event("user.created", {}))

        def work(own: EventRetries) -> None:
            while own.take_up():
                pass

        in_parallel([partial(work, retries_of(app)) for _ in range(4)])
        assert sql.rows("SELECT status, attempts, count(*) AS n FROM webhook_events GROUP BY 1, 2 ORDER BY 1") == [
            {"status": "applied", "attempts": 2, "n": 50},
            {"status": "dead", "attempts": 2, "n": 50},
        ]

    def test_what_is_delivered_meanwhile(self, retries: EventRetries, sql: Sql, database_url: str) -> None:
        """Nobody waits for it, and it is left alone."""
        put(sql, "msg_1", created(1), "failed")
        with holding(database_url, "SELECT FROM webhook_events FOR UPDATE"):
            assert not retries.take_up()
        assert states(sql) == {"msg_1": "failed"}

    def test_in_a_server(self, start_server: StartServer, sql: Sql) -> None:
        put(sql, "msg_1", created(1))
        with start_server():
            wait_for(lambda: states(sql) == {"msg_1": "applied"})

    def test_trouble(
        self, retries: EventRetries, sql: Sql, database_url: str, caplog: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All is tried later, from the beginning, also what was taken already."""
        for number in range(2):
            put(sql, f"msg_{number}", created(number))
        trouble = ExitStack()
        pauses: list[float] = []

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 1:
                trouble.enter_context(holding(database_url, "LOCK TABLE users"))
            elif len(pauses) == 2:
                assert states(sql) == {"msg_0": "dead", "msg_1": "dead"}
                trouble.close()
            else:
                raise InterruptedError

        monkeypatch.setattr("backend.server.event_retries.time.sleep", sleep)
        with pytest.raises(InterruptedError):
            retries._run()
        assert pauses == [event_retries.PAUSE_SECONDS, event_retries.LOOK_SECONDS, event_retries.LOOK_SECONDS]
        assert "Events will be taken up later: LockNotAvailable" in caplog.text
        assert states(sql) == {"msg_0": "applied", "msg_1": "applied"}


def retries_of(app: Flask) -> EventRetries:
    """Of a worker that starts now."""
    services: Services = app.extensions["counterfoil"]
    return EventRetries(services.database.transact, services.mirror, services.clerk)
