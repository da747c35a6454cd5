"""An application's own functions: with each event, in its transaction; and once for each user who signs up."""

import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

import backend.workflows
from backend.services.outbox.deliveries import Delivery, deliver_next
from backend.workflows import ClerkEvent, SignedUp, load_workflows, on_event, on_sign_up
from tests.outbox.conftest import DUE, Announcing
from tests.support.clerk import Instance, clerk_id, user_data
from tests.support.database import Sql

USER = "user_1"
LEDGER = "SELECT status, attempts, error, payload FROM webhook_events"
NOTE = text("INSERT INTO revoked_sessions (session_id, expires_at) VALUES (:note, now())")
NOTES = "SELECT session_id FROM revoked_sessions ORDER BY 1"

pytestmark = pytest.mark.usefixtures("no_workflows")


def note(connection: Connection, told: str) -> None:
    """Something that a function does through the connection. A second time is an error."""
    connection.execute(NOTE, {"note": told})


def notes(sql: Sql) -> list[str]:
    return [row["session_id"] for row in sql.rows(NOTES)]


class TestOnEvent:
    def test_after_ours_with_the_event(self, announcing: Announcing) -> None:
        @on_event("user.created")
        def handle(connection: Connection, event: ClerkEvent) -> None:
            found = connection.execute(text("SELECT email FROM users")).scalar_one()
            note(connection, f"{event.type} {event.data['id']} {found}")

        for _ in range(2):
            announcing.deliver("user.created", user_data(USER, email="ada@example.com"), event_id="msg_1")
        assert notes(announcing.sql) == ["user.created user_1 ada@example.com"]

    def test_also_where_our_copy_was_newer(self, announcing: Announcing) -> None:
        """As when the first request of a user is faster than user.created."""
        announcing.deliver("user.updated", user_data(USER, updated_at=2))

        @on_event("user.created", "user.deleted")
        def handle(connection: Connection, event: ClerkEvent) -> None:
            note(connection, event.type)

        assert announcing.deliver("user.created", user_data(USER, updated_at=1)) == "stale"
        assert notes(announcing.sql) == ["user.created"]

    def test_type_that_only_a_handler_knows(self, announcing: Announcing) -> None:
        assert announcing.deliver("moon.full", {"id": "moon_1"}) == "ignored"

        @on_event("moon.full")
        def handle(connection: Connection, event: ClerkEvent) -> None:
            note(connection, event.data["id"])

        assert announcing.deliver("moon.full", {"id": "moon_2"}) == "applied"
        assert notes(announcing.sql) == ["moon_2"]

    @pytest.mark.parametrize("fault", ["SELECT 1/0", "SELECT 'x'::int", "INSERT INTO users (role) VALUES ('x')", ""])
    def test_error_undoes_all_of_the_event(
        self, announcing: Announcing, fault: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Never dead, whatever the database calls it: nothing is wrong with the event."""
        is_broken = True

        @on_event("user.created")
        def handle(connection: Connection, event: ClerkEvent) -> None:
            note(connection, event.type)
            if is_broken:
                connection.execute(text(fault)) if fault else next(iter(()))

        data = user_data(USER, email="ada@example.com")
        assert announcing.deliver("user.created", data, event_id="msg_1") == 503
        row = announcing.sql.row(LEDGER)
        assert row["status"] == "failed"
        assert f"in {__name__}.TestOnEvent" in row["error"]
        assert announcing.sql.value("SELECT count(*) FROM users") == 0
        assert announcing.told() == []
        assert "ada@example.com" not in caplog.text
        is_broken = False
        assert announcing.deliver("user.created", data, event_id="msg_1") == "applied"
        assert announcing.sql.row(LEDGER) == {"status": "applied", "attempts": 2, "error": None, "payload": None}
        assert notes(announcing.sql) == ["user.created"]

    def test_codes_for_people_are_not_kept(self, announcing: Announcing) -> None:
        @on_event("email.created")
        def handle(connection: Connection, event: ClerkEvent) -> None:
            raise NotImplementedError

        assert announcing.deliver("email.created", {"id": "ema_1", "body": "Your code is 424242"}) == 503
        row = announcing.sql.row(LEDGER)
        assert (row["status"], row["payload"]) == ("failed", None)

    @pytest.mark.parametrize("types", [(), ("",), ("user.created", "läuft")])
    def test_no_type(self, types: tuple[str, ...]) -> None:
        with pytest.raises(ValueError, match="on_event"):
            on_event(*types)


class TestOnSignUp:
    def test_once_though_it_fails_at_first(self, settings: dict[str, str], clerk: Instance, sql: Sql) -> None:
        calls: list[SignedUp] = []

        @on_sign_up
        def welcome(connection: Connection, user: SignedUp) -> None:
            calls.append(user)
            note(connection, f"{user.clerk_user_id} {len(calls)}")
            if len(calls) == 1:
                raise ConnectionResetError

        announcing = Announcing(settings, clerk, sql)
        for kind in ("user.created", "user.updated"):
            announcing.deliver(kind, user_data(USER))
        assert calls == [], "not in the transaction of the event"
        assert announcing.send() == 1
        assert sql.row("SELECT status, error FROM outbox") == {"status": "pending", "error": "ConnectionResetError"}
        for _ in range(2):
            sql.rows(DUE)
            announcing.send()
        assert calls == [SignedUp(1, USER)] * 2
        assert notes(sql) == ["user_1 2"]
        assert sql.value("SELECT status FROM outbox") == "sent"

    def test_each_function_for_itself(self, settings: dict[str, str], clerk: Instance, sql: Sql) -> None:
        @on_sign_up
        def failing(connection: Connection, _user: SignedUp) -> None:
            connection.execute(text("SELECT 1/0"))

        @on_sign_up
        def welcome(connection: Connection, user: SignedUp) -> None:
            note(connection, user.clerk_user_id)

        announcing = Announcing(settings, clerk, sql)
        announcing.deliver("user.created", user_data(USER))
        announcing.deliver("user.deleted", {"id": USER})
        assert sql.value("SELECT count(*) FROM outbox") == 2, "of other events nobody wants to know"
        announcing.send()
        sql.rows(DUE)
        announcing.send()
        assert notes(sql) == [USER]
        rows = sql.rows("SELECT status, attempts, error FROM outbox ORDER BY destination")
        assert [tuple(row.values()) for row in rows] == [("pending", 2, "DataError"), ("sent", 1, None)]

    def test_one_that_took_too_long_counts_once(self, settings: dict[str, str], clerk: Instance, sql: Sql) -> None:
        """The next attempt begins while the first is under way."""

        @on_sign_up
        def welcome(connection: Connection, user: SignedUp) -> None:
            note(connection, clerk_id(user.clerk_user_id))

        announcing = Announcing(settings, clerk, sql)
        announcing.deliver("user.created", user_data(USER))
        (function,) = announcing.services.outbox_publisher.destinations
        transact = announcing.services.database.transact

        class Slow:
            name, events = function.name, ()

            def deliver(self, _transact: object, delivery: Delivery) -> None:
                sql.rows(DUE)
                announcing.send()
                function.deliver(transact, delivery)

        deliver_next(transact, Slow())
        assert len(notes(sql)) == 1


def test_module_is_registered_by_being_there(
    settings: dict[str, str], clerk: Instance, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lamp.py").write_text(
        "from backend.workflows import on_event\n\n\n"
        "@on_event('lamp.lit')\ndef light(connection, event):\n    connection.exec_driver_sql('SELECT 1')\n"
    )
    monkeypatch.setattr(backend.workflows, "__path__", [*backend.workflows.__path__, str(tmp_path)])
    announcing = Announcing(settings, clerk, sql)
    assert announcing.deliver("lamp.lit", {"id": "lamp_1"}) == "applied"
    load_workflows()
    del sys.modules["backend.workflows.lamp"]
