"""Events reach who asked, signed, at least once, by one node at a time. What fails is tried again, up to a limit."""

import json
import secrets
import time
from collections import Counter
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from backend.services.outbox import destinations
from backend.services.outbox.deliveries import MAX_ATTEMPTS, Delivery, deliver_next
from tests.emulator.harness import Receiver
from tests.outbox.conftest import DUE, SECRET, Announcing
from tests.support.clerk import Instance, user_data
from tests.support.database import Sql
from tests.support.ports import free_port
from tests.support.server import running_server
from tests.support.traffic import in_parallel, post_event
from tests.support.waiting import wait_for

USER = "user_1"
EVENT_KEY = secrets.token_urlsafe(32)
STATE = "SELECT status, attempts, error FROM outbox"


def state(announcing: Announcing) -> tuple[str, int, str | None]:
    row = announcing.sql.row(STATE)
    return row["status"], row["attempts"], row["error"]


def pause(announcing: Announcing) -> float:
    return float(announcing.sql.value("SELECT extract(epoch FROM next_at - now()) FROM outbox"))


@pytest.fixture
def pending(announcing: Announcing) -> Announcing:
    """With one event that is to be sent."""
    announcing.deliver("user.created", user_data(USER, email="ada@example.com"))
    return announcing


class TestEndpoint:
    def test_standard_webhook(self, pending: Announcing, receiver: Receiver) -> None:
        assert pending.send() == 1
        (delivery,) = receiver.deliveries
        assert receiver.forged == []
        assert delivery.is_genuine(SECRET)
        assert delivery.headers["webhook-id"] == "signed_up_user_1"
        assert delivery.headers["content-type"] == "application/json"
        told = delivery.event
        assert abs(datetime.fromisoformat(told.pop("timestamp")).timestamp() - time.time()) < 20
        assert told == {"type": "app/user.signed_up", "data": {"user_id": 1, "clerk_user_id": USER}}
        assert state(pending) == ("sent", 1, None)

    def test_forgery_is_seen(self, pending: Announcing, receiver: Receiver) -> None:
        pending.send()
        (delivery,) = receiver.deliveries
        assert not delivery.is_genuine("whsec_" + "A" * 32)

    def test_two_secrets_while_one_is_rotated(
        self, settings: dict[str, str], clerk: Instance, sql: Sql, receiver: Receiver
    ) -> None:
        other = clerk.webhook_secret
        rotating = Announcing(settings | {"OUTBOX_URL": receiver.url, "OUTBOX_SECRET": f"{SECRET},{other}"}, clerk, sql)
        rotating.deliver("user.created", user_data(USER))
        rotating.send()
        (delivery,) = receiver.deliveries
        assert delivery.is_genuine(SECRET)
        assert delivery.is_genuine(other)

    def test_tried_again_with_the_same_id(self, pending: Announcing, receiver: Receiver) -> None:
        receiver.answers = [500, 404]
        for error in ("answered 500", "answered 404"):
            pending.sql.rows(DUE)
            assert pending.send() == 1
            assert state(pending)[2] == error
            assert pending.send() == 0, "a failure is left alone for a while"
        pending.sql.rows(DUE)
        pending.send()
        assert len({delivery.headers["webhook-id"] for delivery in receiver.deliveries}) == 1
        assert state(pending) == ("sent", 3, None)

    def test_pauses_grow(self, pending: Announcing, receiver: Receiver) -> None:
        receiver.answers = [503] * MAX_ATTEMPTS
        pauses = []
        for _ in range(MAX_ATTEMPTS):
            pending.sql.rows(DUE)
            pending.send()
            pauses.append(round(pause(pending), -1))
        assert pauses[:4] == [30, 60, 120, 240]
        assert pauses[-1] == 6 * 3600
        assert 24 * 3600 < sum(pauses[:-1]) < 36 * 3600

    def test_redirect_is_not_followed(self, pending: Announcing, receiver: Receiver) -> None:
        receiver.answers, receiver.redirect_to = [307], receiver.url
        pending.send()
        assert (len(receiver.deliveries), state(pending)[2]) == (1, "answered 307")

    def test_nobody_listens(self, pending: Announcing, receiver: Receiver) -> None:
        receiver.close()
        pending.send()
        assert state(pending) == ("pending", 1, "ConnectionError")

    def test_no_answer(
        self, pending: Announcing, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(destinations, "SEND_SECONDS", 0.2)
        receiver.hold.clear()
        pending.send()
        assert state(pending) == ("pending", 1, "ReadTimeout")
        assert "signed_up_user_1" in caplog.text

    def test_endpoint_that_wants_to_be_left_alone(self, pending: Announcing, receiver: Receiver) -> None:
        receiver.answers, receiver.retry_after = [429], "600"
        pending.send()
        assert 590 < pause(pending) <= 600

    def test_by_one_at_a_time(self, announcing: Announcing, receiver: Receiver) -> None:
        """Four workers, forty events: nobody waits, nobody sends what another one is sending."""
        for number in range(40):
            announcing.deliver("user.created", user_data(f"user_{number}"))
        (destination,) = announcing.services.outbox_publisher.destinations
        transact = announcing.services.database.transact

        def work() -> int:
            return sum(bool(deliver_next(transact, destination)) for _ in range(40))

        counts = in_parallel([work] * 4)
        assert sum(counts) == 40
        sent = Counter(delivery.headers["webhook-id"] for delivery in receiver.deliveries)
        assert set(sent.values()) == {1}
        assert len(sent) == 40

    def test_worker_that_died_amid_sending(self, pending: Announcing, receiver: Receiver) -> None:
        """The endpoint has it, nobody noted that: it comes again, after the pause that the attempt began with."""
        (destination,) = pending.services.outbox_publisher.destinations

        def die(*_: Any, **__: Any) -> Any:
            raise SystemExit

        class Dying:
            name, events = destination.name, ()

            def deliver(self, _transact: object, delivery: Delivery) -> None:
                destination.deliver(die, delivery)

        with pytest.raises(SystemExit):
            deliver_next(pending.services.database.transact, Dying())
        assert (len(receiver.deliveries), pending.send()) == (1, 0)
        pending.sql.rows(DUE)
        assert pending.send() == 1
        assert len({delivery.headers["webhook-id"] for delivery in receiver.deliveries}) == 1


class TestInngest:
    def test_event(self, settings: dict[str, str], clerk: Instance, sql: Sql, receiver: Receiver) -> None:
        receiver.secret = ""
        base = receiver.url.removesuffix("/api/webhooks")
        announcing = Announcing(settings | {"INNGEST_DEV": base, "INNGEST_EVENT_KEY": EVENT_KEY}, clerk, sql)
        announcing.deliver("user.created", user_data(USER))
        announcing.send()
        (delivery,) = receiver.deliveries
        assert delivery.path == f"/e/{EVENT_KEY}"
        told = json.loads(delivery.body)
        assert abs(told.pop("ts") / 1000 - time.time()) < 20
        data = {"user_id": 1, "clerk_user_id": USER}
        assert told == {"id": "signed_up_user_1", "name": "app/user.signed_up", "data": data}
        assert state(announcing) == ("sent", 1, None)

    def test_key_is_neither_logged_nor_kept(
        self, settings: dict[str, str], clerk: Instance, sql: Sql, receiver: Receiver, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Also with LOG_LEVEL=DEBUG, where the library logs addresses; also when nobody listens any more."""
        receiver.secret, receiver.answers = "", [500]
        base = receiver.url.removesuffix("/api/webhooks")
        caplog.set_level("DEBUG")
        announcing = Announcing(settings | {"INNGEST_DEV": base, "INNGEST_EVENT_KEY": EVENT_KEY}, clerk, sql)
        announcing.deliver("user.created", user_data(USER))
        announcing.send()
        receiver.close()
        sql.rows(DUE)
        announcing.send()
        assert state(announcing)[2] == "ConnectionError"
        assert caplog.text.count("did not reach inngest") == 2
        assert EVENT_KEY not in caplog.text

    def test_both(self, settings: dict[str, str], clerk: Instance, sql: Sql, receiver: Receiver) -> None:
        """One event, one id. That one of them fails is nothing to the other."""
        both = {"OUTBOX_URL": receiver.url, "OUTBOX_SECRET": SECRET, "INNGEST_DEV": f"http://127.0.0.1:{free_port()}"}
        announcing = Announcing(settings | both, clerk, sql)
        announcing.deliver("user.created", user_data(USER))
        announcing.send()
        rows = announcing.sql.rows("SELECT destination, event_id, status FROM outbox ORDER BY destination")
        assert [(row["destination"], row["status"]) for row in rows] == [("inngest", "pending"), ("url", "sent")]
        assert len({row["event_id"] for row in rows}) == 1


class TestGivenUp:
    def test_listed_and_sent_again(
        self, pending: Announcing, receiver: Receiver, caplog: pytest.LogCaptureFixture
    ) -> None:
        receiver.answers = [500] * MAX_ATTEMPTS
        for _ in range(MAX_ATTEMPTS + 1):
            pending.sql.rows(DUE)
            pending.send()
        assert state(pending) == ("dead", MAX_ATTEMPTS, "answered 500")
        assert "given up" in caplog.text
        assert "signed_up_user_1" in pending.command("outbox", "list", "--status", "dead")
        assert pending.command("outbox", "replay", "--dead", "--dry-run") == "1 to send again\n"
        assert pending.command("outbox", "replay", "--dead").startswith("1 will be sent again")
        assert pending.send() == 1
        assert state(pending)[:2] == ("sent", 1)
        assert "signed_up_user_1" not in pending.command("outbox", "list")
        pending.command("outbox", "replay", "signed_up_user_1")
        assert pending.send() == 1
        assert len(receiver.deliveries) == MAX_ATTEMPTS + 2


class TestCommand:
    @pytest.mark.parametrize(
        ("arguments", "status"), [((), 2), (("--dead", "evt_1"), 2), (("evt_1",), 1), (("--dead",), 1)]
    )
    def test_nothing_to_replay(self, app: Flask, sql: Sql, arguments: tuple[str, ...], status: int) -> None:  # noqa: ARG002 - the tables are to be empty
        assert app.test_cli_runner().invoke(args=["outbox", "replay", *arguments]).exit_code == status

    def test_destination_that_is_there_no_more(self, pending: Announcing) -> None:
        pending.sql.rows("UPDATE outbox SET destination = 'backend.workflows.gone.welcome'")
        assert pending.send() == 0
        assert "Nothing is sent to backend.workflows.gone.welcome" in pending.command("outbox", "list")


def test_server_sends_by_itself(settings: dict[str, str], clerk: Instance, sql: Sql, tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.secret = SECRET
        own = {"OUTBOX_URL": receiver.url, "OUTBOX_SECRET": SECRET, "TEST_OUTBOX_SECONDS": "0.05"}
        with running_server(tmp_path, settings | own) as server:
            assert post_event(server, clerk, "user.created", user_data(USER)).status_code == HTTPStatus.OK
            receiver.wait_for(1)
            wait_for(lambda: sql.value("SELECT status FROM outbox") == "sent")
        assert receiver.forged == []
