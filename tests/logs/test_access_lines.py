"""Each request leaves one line, which says who asked for what and what came of it, in ids."""

import re
from typing import Any

import pytest

from tests.logs.lines import line_of, read_lines
from tests.support.clerk import Instance, event, user_data
from tests.support.database import Sql
from tests.support.fixtures import StartServer
from tests.support.server import PROJECT, Server
from tests.support.traffic import exchange, raw_request

OPERATIONS = PROJECT / "docs" / "operations.md"
CHANGING = {"timestamp", "duration_ms", "database_ms", "request_id"}


def ask(server: Server, method: str, path: str, **options: Any) -> dict[str, Any]:
    answer = server.request(method, path, **options)
    line = line_of(server, answer.headers["X-Request-ID"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["timestamp"])
    assert line["duration_ms"] >= line["database_ms"] >= 0
    return {name: value for name, value in line.items() if name not in CHANGING}


def said(**fields: Any) -> dict[str, Any]:
    return {"event": "request", "level": "info", "logger": "access", "client": "127.0.0.1", **fields}


class TestCaller:
    def test_session(self, json_server: Server, clerk: Instance, sql: Sql) -> None:
        token = clerk.token(sub="user_1", sid="sess_1")
        line = ask(json_server, "GET", "/auth/me?session=secret", token=token)
        ids = {"user_id": sql.value("SELECT user_id FROM users"), "clerk_user_id": "user_1", "session_id": "sess_1"}
        assert line == said(method="GET", route="/auth/me", status=200, kind="clerk", **ids)

    def test_impersonated(self, json_server: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002
        token = clerk.token(sub="user_1", act={"sub": "user_2"})
        assert ask(json_server, "GET", "/auth/me", token=token)["actor"] == "user_2"

    def test_api_key(self, json_server: Server, clerk: Instance, sql: Sql) -> None:
        token = clerk.token(sub="user_1")
        body = {"name": "k", "scopes": ["profile:read"]}
        key = json_server.request("POST", "/api/keys", token, json=body).json()["key"]
        line = ask(json_server, "GET", "/auth/me", headers={"X-API-Key": key})
        assert (line["kind"], line["api_key_id"]) == ("api-key", sql.value("SELECT key_id FROM api_keys"))
        assert "session_id" not in line

    def test_database_time(self, json_server: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002
        answer = json_server.get("/auth/me", clerk.token(sub="user_1"))
        line = line_of(json_server, answer.headers["X-Request-ID"])
        assert line["duration_ms"] > line["database_ms"] > 0


class TestRefused:
    @pytest.mark.parametrize(
        ("path", "shown"),
        [
            ("/nowhere", "/nowhere"),
            ("/api/nowhere", "/api/*"),
            ("/", "/"),
            ("/ada@example.com", "/*"),
            ("/a%0Ab/c", "/*/*"),
            (f"/{'a' * 40}", "/*"),
        ],
    )
    def test_path_of_no_route(self, json_server: Server, path: str, shown: str) -> None:
        line = ask(json_server, "PUT", path)
        assert line["path"] == shown
        assert line["code"] == ("method-not-allowed" if shown == "/" else "not-found")

    def test_credential(self, json_server: Server, clerk: Instance) -> None:
        line = ask(json_server, "GET", "/auth/me", token=clerk.token(exp=1))
        assert line == said(method="GET", route="/auth/me", status=401, code="token-expired")

    @pytest.mark.parametrize(
        ("request_", "status", "code"),
        [
            (b"GET / HTTP/1.1\r\nHost: x\r\n\x00secret: x\r\n\r\n", 400, "malformed-body"),
            (raw_request("GET", "/", {"X": "s" * 17_000}), 431, "header-too-large"),
        ],
    )
    def test_broken(self, json_server: Server, request_: bytes, status: int, code: str) -> None:
        before = len(read_lines(json_server))
        assert exchange(json_server, request_)[0] == status
        (line,) = read_lines(json_server)[before:]
        assert (line["event"], line["logger"], line["status"], line["code"]) == ("request", "access", status, code)
        assert line["reason"]

    def test_broken_has_nothing_of_the_one_before(self, json_server: Server) -> None:
        """On one connection."""
        before = len(read_lines(json_server))
        exchange(
            json_server, b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: x\r\n\x00: x\r\n\r\n"
        )
        good, broken = read_lines(json_server)[before:]
        assert (good["status"], broken["status"]) == (404, 400)
        assert good["request_id"]
        assert "request_id" not in broken


class TestWebhook:
    def test_applied(self, json_server: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002
        body = event("user.created", user_data("user_1", email="ada@example.com"))
        line = ask(
            json_server, "POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body, event_id="msg_1")
        )
        told = {"event_id": "msg_1", "event_type": "user.created", "outcome": "applied"}
        assert line == said(method="POST", route="/api/webhooks", status=200, **told)

    def test_nothing_of_it_is_in_the_next_line(self, json_server: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG002
        body = event("user.created", user_data("user_1"))
        json_server.request("POST", "/api/webhooks", data=body, headers=clerk.webhook_headers(body))
        assert ask(json_server, "GET", "/nowhere") == said(method="GET", path="/nowhere", status=404, code="not-found")


class TestProbes:
    def test_in_debug_only(self, json_server: Server, start_server: StartServer) -> None:
        before = len(read_lines(json_server))
        assert json_server.get("/healthz").status_code == 200
        assert read_lines(json_server)[before:] == []
        with start_server(LOG_FORMAT="json", LOG_LEVEL="DEBUG") as talkative:
            assert ask(talkative, "GET", "/healthz")["level"] == "debug"


def test_every_line_has_one_form(json_server: Server) -> None:
    """gunicorn's own, too."""
    lines = read_lines(json_server)
    assert all({"timestamp", "level", "logger", "event"} <= set(line) for line in lines)
    assert {"gunicorn.error", "access"} <= {line["logger"] for line in lines}


def test_sample_in_the_documentation(json_server: Server, clerk: Instance, sql: Sql) -> None:  # noqa: ARG001
    """It has the fields of a real line, in their order."""
    (sample,) = re.findall(r"```text\n(\S+ INFO access request .*?)```", OPERATIONS.read_text(), re.DOTALL)
    request_id = json_server.get("/auth/me", clerk.token(sub="user_1")).headers["X-Request-ID"]
    names = [name for name in line_of(json_server, request_id) if name not in {"event", "timestamp", "level", "logger"}]
    assert re.findall(r"(\w+)=", sample) == names
