"""The sample workflow and the schedules, step by step; and a workflow that is there because its file is."""

import email.policy
import json
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from flask import Flask

import backend.workflows.inngest
from backend.container import current_services
from backend.services import purge
from backend.workflows.inngest import find_workflows, schedules
from tests.documentation.pages import blocks
from tests.support.admins import add_user
from tests.support.clerk import now_ms, user_data
from tests.support.commands import make_app
from tests.support.database import Sql
from tests.support.inngest import SETTINGS, Inngest, inngest_event
from tests.support.purging import LIMITS, put
from tests.support.server import in_process

EMAIL = "ada@example.com"
MAILED = "SELECT subject_user_id, source FROM audit_events WHERE action = 'user.welcomed'"


def signed_up(user_id: object) -> dict[str, Any]:
    return inngest_event("app/user.signed_up", {"user_id": user_id})


def steps_of(taken: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
    return [(each["op"], each["displayName"], each.get("data")) for each in taken]


@pytest.fixture
def folder(inngest_app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where mail is written to in development."""
    with inngest_app.app_context():
        monkeypatch.setattr(current_services().mailer, "_folder", tmp_path / "mail")
    return tmp_path / "mail"


@pytest.fixture
def user_id(sql: Sql) -> int:
    user_id = add_user(sql)
    sql.rows(
        "UPDATE users SET email = %s, email_verified = true, first_name = 'Åsa' WHERE user_id = %s", EMAIL, user_id
    )
    return user_id


class TestWelcome:
    def test_writes_a_mail(self, folder: Path, inngest: Inngest, sql: Sql, user_id: int) -> None:
        answer, taken = inngest.run("send-welcome", signed_up(user_id))
        assert (answer.status_code, answer.json()) == (200, {"sent": True})
        assert steps_of(taken) == [
            ("Sleep", "wait a minute", None),
            ("StepRun", "look the user up", True),
            ("StepRun", "write a mail", True),
        ]
        waits = datetime.fromisoformat(taken[0]["name"]) - datetime.now(UTC)
        assert timedelta(seconds=30) < waits <= timedelta(minutes=1)
        (file,) = folder.iterdir()
        message = message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert (message["To"], message["Subject"]) == (EMAIL, "Welcome")
        assert "Hello Åsa," in message.get_content()
        assert sql.rows(MAILED) == [{"subject_user_id": user_id, "source": "sync"}]

    def test_once_a_user(self, folder: Path, inngest: Inngest, user_id: int) -> None:
        """However often the event comes, and whatever Inngest has forgotten."""
        sent = [inngest.run("send-welcome", signed_up(user_id))[0].json() for _ in range(3)]
        assert sent == [{"sent": True}, {"sent": False}, {"sent": False}]
        assert len(list(folder.iterdir())) == 1

    @pytest.mark.parametrize(
        "change",
        [
            *("email_verified = false", "email = NULL, email_verified = false"),
            "deleted_at = now(), is_active = false, email = NULL",
        ],
    )
    def test_nobody_to_write_to(self, folder: Path, inngest: Inngest, sql: Sql, user_id: int, change: str) -> None:
        sql.rows(f"UPDATE users SET {change}")
        assert inngest.run("send-welcome", signed_up(user_id))[0].json() == {"sent": False}
        assert inngest.run("send-welcome", signed_up(user_id + 1))[0].json() == {"sent": False}
        assert not folder.exists()
        assert sql.rows(MAILED) == []

    def test_gone_between_the_steps(self, folder: Path, inngest: Inngest, sql: Sql, user_id: int) -> None:
        _, (wait, look, _) = inngest.run("send-welcome", signed_up(user_id))
        for file in folder.iterdir():
            file.unlink()
        sql.rows("DELETE FROM audit_events")
        sql.rows("UPDATE users SET deleted_at = now(), email = NULL")
        memory = {wait["id"]: {"data": None}, look["id"]: {"data": True}}
        (told,) = inngest.call("send-welcome", signed_up(user_id), memory).json()
        assert told["data"] is False
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("user_id", [None, "1", {}])
    def test_no_user(self, inngest: Inngest, user_id: object) -> None:
        answer, _ = inngest.run("send-welcome", signed_up(user_id))
        assert (answer.status_code, answer.headers["X-Inngest-No-Retry"]) == (500, "true")


class TestSmtp:
    def test_arrives(self, settings: dict[str, str], sql: Sql, user_id: int) -> None:
        with smtp_server() as (url, received):
            own = Inngest(in_process(make_app(settings | SETTINGS | {"SMTP_URL": url, "MAIL_FROM": "we@example.com"})))
            assert own.run("send-welcome", signed_up(user_id))[0].json() == {"sent": True}
            assert own.run("send-welcome", signed_up(user_id))[0].json() == {"sent": False}
        (message,) = received
        assert f"To: {EMAIL}" in message
        assert "From: we@example.com" in message
        assert len(sql.rows(MAILED)) == 1

    def test_server_that_is_away(self, settings: dict[str, str], sql: Sql, user_id: int) -> None:
        """Nothing is noted, so that the next try may send it; and Inngest learns no address."""
        with smtp_server() as (url, _):
            pass
        own = Inngest(in_process(make_app(settings | SETTINGS | {"SMTP_URL": url, "MAIL_FROM": "we@example.com"})))
        _, taken = own.run("send-welcome", signed_up(user_id))
        assert taken[-1]["error"]["message"] == "ConnectionRefusedError"
        assert sql.rows(MAILED) == []

    def test_server_that_refuses_the_address(
        self, settings: dict[str, str], sql: Sql, user_id: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Whether it was sent is not always known after that, so it counts as sent: at most once."""
        with smtp_server(refuses=True) as (url, _):
            own = Inngest(in_process(make_app(settings | SETTINGS | {"SMTP_URL": url, "MAIL_FROM": "we@example.com"})))
            answer, taken = own.run("send-welcome", signed_up(user_id))
            assert taken[-1]["error"]["message"] == "SMTPRecipientsRefused"
            assert EMAIL not in answer.text + caplog.text
            assert own.run("send-welcome", signed_up(user_id))[0].json() == {"sent": False}
        assert len(sql.rows(MAILED)) == 1


@contextmanager
def smtp_server(*, refuses: bool = False) -> Iterator[tuple[str, list[str]]]:
    """An SMTP server on loopback: its URL, and what it has received."""
    received: list[str] = []

    class Conversation(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline().decode().strip().upper():
                if line == "DATA":
                    self.say("354 go on")
                    received.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                if line == "QUIT":
                    self.say("221 bye")
                    return
                self.say("550 no" if refuses and line.startswith("RCPT") else "250 ok")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"smtp://127.0.0.1:{server.server_address[1]}", received
        server.shutdown()


class TestSchedules:
    def test_purge(self, inngest: Inngest, sql: Sql) -> None:
        add_user(sql)
        for table in LIMITS:
            put(sql, table, number=3)
        answer, taken = inngest.run("purge", inngest_event("inngest/scheduled.timer", {}))
        done = 3 * len(LIMITS)
        assert answer.json() == {"done": done}
        assert steps_of(taken) == [("StepRun", "part 1", done), ("StepRun", "part 2", 0)]
        assert sql.value("SELECT count(*) FROM webhook_events") == 0

    def test_replay(self, inngest: Inngest, sql: Sql) -> None:
        payload = json.dumps({"type": "user.created", "data": user_data("user_1"), "timestamp": now_ms()})
        sql.rows(
            "INSERT INTO webhook_events (event_id, source, type, status, payload) "
            "VALUES ('msg_1', 'svix', 'user.created', 'failed', %s)",
            payload,
        )
        answer, _ = inngest.run("webhooks-replay", inngest_event("inngest/scheduled.timer", {}))
        assert answer.json() == {"done": 0}
        assert sql.value("SELECT status FROM webhook_events") == "applied"
        assert sql.user("user_1")["deleted_at"] is None

    def test_in_parts(self, inngest: Inngest, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each is a call of its own, which ends before the worker gives it up."""
        monkeypatch.setattr(purge, "BATCH", 100)
        monkeypatch.setattr(schedules, "PART", 0)
        put(sql, "revoked_sessions", number=250)
        answer, taken = inngest.run("purge", inngest_event("inngest/scheduled.timer", {}))
        assert [each["data"] for each in taken] == [100, 100, 50, 0]
        assert answer.json() == {"done": 250}


class TestRegistry:
    def test_a_module_is_registered_by_being_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], sql: Sql
    ) -> None:
        """As the documentation has it."""
        (block,) = blocks("python", "docs/inngest.md")
        (tmp_path / "count_users.py").write_text(block.text)
        monkeypatch.setattr(backend.workflows.inngest, "__path__", [*backend.workflows.inngest.__path__, str(tmp_path)])
        monkeypatch.setattr(backend.workflows.inngest, "_found", {**backend.workflows.inngest._found})
        add_user(sql)
        own = Inngest(in_process(make_app(settings | SETTINGS)))
        answer, taken = own.run("count-users", inngest_event("app/user.signed_up", {"user_id": 1}))
        assert answer.json() == {"users": 1}
        assert [each["displayName"] for each in taken] == ["count"]

    def test_what_it_raises_stays_here(
        self, folder: Path, inngest: Inngest, user_id: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The text of an error may name people; our log has the lines that it came from."""
        folder.parent.mkdir(exist_ok=True)
        folder.write_text(EMAIL)  # a file in the place of the folder
        answer, taken = inngest.run("send-welcome", signed_up(user_id))
        error = taken[-1]["error"]
        assert (error["name"], error["message"]) == ("Trouble", "FileExistsError")
        assert str(folder) not in answer.text + caplog.text
        assert "FileExistsError" in caplog.text
        assert "send_welcome.py" in caplog.text

    def test_names_differ(self) -> None:
        names = [each.options["fn_id"] for each in find_workflows()]
        assert len(set(names)) == len(names)
